import type { DmaPath } from '../memory/dma.ts';

/**
 * Where transfers wait while a debugger has stopped the machine: each before its next piece. They go on in the order
 * in which they came here.
 */
export class DmaGate {
  readonly #isShut: () => boolean;
  #waiting: (() => void)[] = [];

  /** `isShut` is asked before each piece. */
  constructor(isShut: () => boolean) {
    this.#isShut = isShut;
  }

  /** The way through the gate to `path`. */
  before(path: DmaPath): DmaPath {
    return {
      move: (request) => {
        if (!this.#isShut()) return path.move(request);
        return {
          kind: 'wait',
          reason: 'The machine is stopped by a breakpoint or a check: cont lets it go on',
          onReady: (resume) => void this.#waiting.push(resume),
        };
      },
    };
  }

  /** The machine goes on: so do those that wait, until one of them stops it again. */
  open(): void {
    for (let resume = this.#next(); resume !== undefined; resume = this.#next()) resume();
  }

  #next(): (() => void) | undefined {
    return this.#isShut() ? undefined : this.#waiting.shift();
  }
}
