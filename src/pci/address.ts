/** Slots of a bus; each has eight functions. */
export const SLOTS = 32;
export const FUNCTIONS = 8;

/** The slot (device number) of a devfn, 0 to 31. */
export function slotOf(devfn: number): number {
  return devfn >> 3;
}

/** The function of a devfn, 0 to 7. */
export function functionOf(devfn: number): number {
  return devfn & 7;
}

/** `05.0`: two hexadecimal digits of the slot, and the function. */
export function formatDevfn(devfn: number): string {
  return `${slotOf(devfn).toString(16).padStart(2, '0')}.${functionOf(devfn)}`;
}
