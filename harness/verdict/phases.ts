/**
 * The phases of a SAN boot in their order. A phase counts as reached when something was seen that cannot happen before
 * it; a boot's phase is the highest one so evidenced.
 */
export const phases = {
  P0: "firmware's NIC sends",
  P1: "firmware has its address",
  P2: "firmware reaches the portal",
  P3: "firmware starts to log in",
  P4: "firmware negotiates",
  P5: "firmware's disk is ready",
  P6: "SAN disk hooked",
  P7: "iBFT in memory",
  P8: "boot sector read",
  P9: "boot loader reads",
  P10: "kernel takes over",
  P11: "kernel found the iBFT",
  P12: "kernel's NIC sends",
  P13: "kernel reaches the portal",
  P14: "kernel logs in",
  P15: "kernel's disk arrives",
  P16: "root mounted",
  P17: "login",
  P18: "shutdown",
} as const;

export type PhaseId = keyof typeof phases;

export const phaseIds = Object.keys(phases) as readonly PhaseId[];

/** Position in the boot, for comparisons. */
export function phaseOrder(phase: PhaseId): number {
  return phaseIds.indexOf(phase);
}
