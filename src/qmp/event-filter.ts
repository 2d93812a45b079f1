/** Which events a client asked for; patterns are globs over event names. */
export interface EventPatterns {
  /** An event must match one of these; absent means that every event does. */
  readonly include?: readonly string[];
  /** An event that matches one of these is not sent. Wins over `include`. */
  readonly exclude?: readonly string[];
}

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

/** One client's event filter. Answers are remembered, for the same few dozen names pass through it all day. */
export class EventFilter {
  readonly #patterns: EventPatterns;
  readonly #answers = new Map<string, boolean>();

  constructor(patterns: EventPatterns) {
    this.#patterns = patterns;
  }

  /** Whether the client wants events called `name`. */
  passes(name: string): boolean {
    let answer = this.#answers.get(name);
    if (answer === undefined) {
      const { include, exclude } = this.#patterns;
      const included = include?.some((pattern) => matchesGlob(pattern, name)) ?? true;
      answer = included && !(exclude?.some((pattern) => matchesGlob(pattern, name)) ?? false);
      this.#answers.set(name, answer);
    }
    return answer;
  }
}
