/** A line that does not fit its command; QEMU prints the sentence and where to look. */
export class UsageError extends Error {}
