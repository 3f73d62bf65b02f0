/** Ranges that one UNMAP may name. */
export const maxUnmapDescriptors = 256;
/** Bytes that one WRITE SAME without UNMAP may fill, so that a single command cannot keep a unit busy for minutes. */
export const maxWriteSameBytes = 1024 * 1024 * 1024;
/** Bytes of a parameter list. */
export const maxParameterBytes = 64 * 1024;
