/** Called when a line changes. */
type Watcher = (line: number, raised: boolean) => void;

/** The input pins of q35's I/O APIC. */
const IO_APIC_LINES = 24;

/** Where the I/O APIC is in QEMU's object tree. */
const IO_APIC_PATH = '/machine/q35/ioapic';

/**
 * The interrupt lines into the I/O APIC: 16 to 23 carry the PCI bus's, each driven by its devices or by qtest's
 * `set_irq_in`. There are no processors behind them; whoever watches sees the changes alone.
 */
export class InterruptLines {
  readonly #levels = new Array<boolean>(IO_APIC_LINES).fill(false);
  readonly #watchers = new Set<Watcher>();

  /** True where `path`, whole or the end of one, names the I/O APIC. */
  static isIoApic(path: string): boolean {
    return path === IO_APIC_PATH || (path !== '' && !path.startsWith('/') && IO_APIC_PATH.endsWith(`/${path}`));
  }

  /** Drives a line. @returns false where there is none of that number */
  set(line: number, raised: boolean): boolean {
    const before = this.#levels[line];
    if (before === undefined) return false;
    if (before === raised) return true;
    this.#levels[line] = raised;
    for (const watcher of this.#watchers) watcher(line, raised);
    return true;
  }

  /** `watcher` is told of every change; the returned function ends that. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  save(): { levels: boolean[] } {
    return { levels: [...this.#levels] };
  }

  restore(state: { levels: readonly boolean[] }): void {
    state.levels.forEach((level, line) => (this.#levels[line] = level));
  }
}
