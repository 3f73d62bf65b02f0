/** Expected and planned transfer length differ: O or U with the difference (RFC 7143, section 11.4.5.1). */
export function residual(planned: number, expected: number) {
  if (planned === expected) return undefined;
  return planned > expected
    ? { overflow: true, residualCount: planned - expected }
    : { underflow: true, residualCount: expected - planned };
}

/** The same of the data that a bidirectional command reads (section 11.4.5.2). */
export function readResidual(planned: number, expected: number) {
  if (planned === expected) return undefined;
  return planned > expected
    ? { bidirectionalOverflow: true, bidirectionalResidualCount: planned - expected }
    : { bidirectionalUnderflow: true, bidirectionalResidualCount: expected - planned };
}
