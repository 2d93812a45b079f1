import { createReadStream } from 'node:fs';
import { CommandError } from '../core/errors.ts';
import { systemText } from '../core/system-text.ts';
import type { QmpServer } from '../qmp/server.ts';
import type { Transport, TransportUser } from '../qmp/transport.ts';
import { encodeLine } from '../wire/encoder.ts';
import { MessageReader } from '../wire/message-reader.ts';
import type { WireValue } from '../wire/values.ts';

type Reply = Readonly<Record<string, unknown>>;

/** What stands in the file: a message, or the sentence about what is none. */
type Item = { readonly value: WireValue } | { readonly error: string };

/** A client inside the process: whole lines out, one message at a time in. */
class Player implements Transport {
  readonly unsent = 0;
  readonly #print: (line: string) => void;
  readonly #user: TransportUser;
  #rest = '';
  #closed = false;
  #answered: ((reply: Reply) => void) | null = null;

  /** @param print takes each line but the greeting, without its end */
  constructor(server: QmpServer, name: string, print: (line: string) => void) {
    this.#print = print;
    this.#user = server.accept(this, name);
  }

  /** Executes one message; settled with its reply, after all events that came before it were printed. */
  play(message: WireValue): Promise<Reply> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#user.receive(Buffer.from(encodeLine(message), 'latin1'));
    });
  }

  write(text: string): void {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#take(line, JSON.parse(line) as Reply);
  }

  #take(line: string, message: Reply): void {
    if ('QMP' in message) return;
    this.#print(line);
    if (!('return' in message) && !('error' in message)) return;
    const answered = this.#answered;
    this.#answered = null;
    answered?.(message);
  }

  /** Ends the conversation; nothing is printed any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#user.closed();
  }

  end(): void {
    this.close();
  }

  destroy(): void {
    this.close();
  }

  // One message is sent at a time, so that there is nothing to hold back.
  pauseInput(): void {}

  resumeInput(): void {}
}

/** The messages of a file as they come; one that is cut off is an error. @throws CommandError when it cannot be read */
async function* itemsOf(path: string): AsyncGenerator<Item> {
  let items: Item[] = [];
  const reader = new MessageReader({
    value: (value) => items.push({ value }),
    error: (error) => items.push({ error }),
  });
  const taken = (): Item[] => {
    const now = items;
    items = [];
    return now;
  };
  try {
    for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) {
      reader.push(chunk as Buffer);
      yield* taken();
    }
  } catch (error) {
    throw new CommandError(`--exec ${path}: ${systemText(error)}`);
  }
  // A message that the end of the file cuts off swallows the one behind it.
  reader.push(Buffer.from('\n{}'));
  const [last] = taken();
  if (last === undefined || 'error' in last) yield { error: 'JSON parse error, the file ends inside a command' };
}

function isNegotiation(item: Item): boolean {
  return 'value' in item && (item.value as Reply | null)?.['execute'] === 'qmp_capabilities';
}

/**
 * Plays the commands of a file one after the other, negotiating first where the file does not, and prints what the
 * monitor answers, a line a message. The first error ends it.
 * @param path the file, or `-` for standard input
 * @param print takes a line of output with its end
 * @returns the exit status: 0, or 1 after an error
 * @throws CommandError when the file cannot be read
 */
export async function playCommands(server: QmpServer, path: string, print: (text: string) => void): Promise<number> {
  let silent = true;
  const player = new Player(server, 'exec', (line) => {
    if (!silent) print(`${line}\n`);
  });
  let first = true;
  try {
    for await (const item of itemsOf(path)) {
      if (first && !isNegotiation(item)) await player.play({ execute: 'qmp_capabilities' });
      first = false;
      silent = false;
      if ('error' in item) {
        print(encodeLine({ error: { class: 'GenericError', desc: item.error } }).replace('\r', ''));
        return 1;
      }
      const reply = await player.play(item.value);
      if ('error' in reply) return 1;
    }
    return 0;
  } finally {
    player.close();
  }
}
