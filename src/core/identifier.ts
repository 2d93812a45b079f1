/** True for an id as QEMU takes it: a letter, then letters, digits, `-`, `.` and `_`. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9\-._]*$/.test(text);
}

/** What stands below the error about an id on a terminal. */
export const identifierHint = "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.";
