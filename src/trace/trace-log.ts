/** Whether `name` fits `pattern`, in which `*` stands for any characters and `?` for one. */
function fits(pattern: string, name: string): boolean {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, (character) =>
    character === '*' ? '.*' : character === '?' ? '.' : `\\${character}`,
  );
  return new RegExp(`^${source}$`, 's').test(name);
}

/** The trace points by name, which of them are on, and where their lines go. */
export class TraceLog {
  readonly #points: ReadonlySet<string>;
  readonly #enabled = new Set<string>();
  readonly #write: (text: string) => void;

  /**
   * @param points the names of all trace points; all are off at first
   * @param write takes one line, its end included
   */
  constructor(points: readonly string[], write: (text: string) => void) {
    this.#points = new Set(points);
    this.#write = write;
  }

  /** All trace points in the order in which they are listed. */
  names(): readonly string[] {
    return [...this.#points];
  }

  /**
   * Switches the trace points that fit a pattern.
   * @returns false where the pattern is a plain name that no trace point has
   */
  set(pattern: string, enabled: boolean): boolean {
    const wild = /[*?]/.test(pattern);
    const found = wild ? this.names().filter((name) => fits(pattern, name)) : this.names().filter((n) => n === pattern);
    for (const name of found) {
      if (enabled) this.#enabled.add(name);
      else this.#enabled.delete(name);
    }
    return wild || found.length > 0;
  }

  isEnabled(name: string): boolean {
    return this.#enabled.has(name);
  }

  /** Writes a line as QEMU's log has it: the name, then the point's own text. */
  line(name: string, text: string): void {
    this.#write(`${name} ${text}\n`);
  }
}
