import { matchesGlob } from '../core/glob.ts';

/** Which events a client asked for; patterns are globs over event names. */
export interface EventPatterns {
  /** An event must match one of these; absent means that every event does. */
  readonly include?: readonly string[];
  /** An event that matches one of these is not sent. Wins over `include`. */
  readonly exclude?: readonly string[];
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
