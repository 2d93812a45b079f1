/** What one message may take, so that no client can make the daemon hold arbitrarily much. */

/** Bytes of one token, and of the tokens of one message together: up to and including this is accepted. */
export const TOKEN_BYTES_MAX = 64 * 1024 * 1024;
/** Tokens of one message, inclusive. */
export const TOKEN_COUNT_MAX = 2_097_152;
/** Braces and brackets open at once, inclusive. */
export const NESTING_MAX = 1024;
