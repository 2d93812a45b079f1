import { signed64, unsigned64 } from './numbers.ts';
import { Refusal } from './refusal.ts';

/** The words behind a command's name, taken one by one; what is left over is ignored, as in QEMU. */
export class Arguments {
  readonly #command: string;
  readonly #words: readonly string[];
  #next = 0;

  constructor(command: string, words: readonly string[]) {
    this.#command = command;
    this.#words = words;
  }

  /** True when all words were taken. */
  get empty(): boolean {
    return this.#next >= this.#words.length;
  }

  /** @param name what the word stands for, for the sentence @throws Refusal at the end */
  word(name: string): string {
    const word = this.#words[this.#next++];
    if (word === undefined) throw new Refusal(`${this.#command}: ${name} is missing`);
    return word;
  }

  /** 0 to 2^64 - 1. @throws Refusal */
  unsigned(name: string): bigint {
    const word = this.word(name);
    const value = unsigned64(word);
    if (value === null) throw new Refusal(`${this.#command}: ${name} '${word}' is not a number of 64 bits`);
    return value;
  }

  /** -2^63 to 2^63 - 1. @throws Refusal */
  signed(name: string): bigint {
    const word = this.word(name);
    const value = signed64(word);
    if (value === null) throw new Refusal(`${this.#command}: ${name} '${word}' is not a signed number of 64 bits`);
    return value;
  }

  /** An I/O port, 0 to 0xffff. @throws Refusal */
  port(): number {
    const port = this.unsigned('PORT');
    if (port > 0xffffn) throw new Refusal(`${this.#command}: PORT 0x${port.toString(16)} is above 0xffff`);
    return Number(port);
  }

  /** A number of bytes, 0 to `limit`. @throws Refusal */
  size(limit: number): number {
    const size = this.unsigned('SIZE');
    if (size > BigInt(limit)) {
      throw new Refusal(`${this.#command}: SIZE 0x${size.toString(16)} is above 0x${limit.toString(16)}; split it`);
    }
    return Number(size);
  }
}
