/**
 * Whether `name` matches the glob `pattern`: `*` stands for any number of characters, `?` for exactly one, everything
 * else for itself. The whole name must match.
 *
 * Not a regular expression on purpose: a pattern comes from a client, and `*a*a*a*a*b` makes a backtracking engine
 * take exponential time. Going back to the latest star alone is enough and takes at most pattern times name steps.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let starName = 0;
  while (n < name.length) {
    const wanted = pattern[p];
    if (wanted === '*') {
      star = p++;
      starName = n;
    } else if (wanted !== undefined && (wanted === '?' || wanted === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++starName;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
