/** Every example of the schema, over a real socket, each on a daemon of its own, with the default machine where it says nothing else. */
import { describe, expect, it } from 'vitest';
import { load } from '../../schema/generator/load.ts';
import type { Example } from '../../schema/generator/source.ts';
import { type Conversation, matches, playExample } from '../support/example-player.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

const source = load();

const examples = source.modules.flatMap((module) =>
  Object.entries({ ...module.commands, ...module.events }).flatMap(([name, { examples }]) =>
    examples
      .filter((example) => example.steps !== undefined)
      .map((example, index): [string, Example] => [
        `${name} ${example.title ?? (index === 0 ? '' : index + 1)}`,
        example,
      ]),
  ),
);

async function converse(daemon: InProcessDaemon): Promise<Conversation> {
  const connection = await daemon.connection();
  let read = 0;
  return {
    send: (message) => connection.send(`${JSON.stringify(message)}\n`),
    receive: async () => {
      const lines = await connection.lines(read + 1);
      return JSON.parse(lines[read++] ?? '') as Readonly<Record<string, unknown>>;
    },
  };
}

describe('examples of the schema', () => {
  it.each(examples)('%s', async (_, example) => {
    const daemon = await InProcessDaemon.start(example.options ?? []);
    try {
      await playExample(example, source.setups, await converse(daemon));
    } finally {
      await daemon.stop();
    }
  });
});

describe('how examples are compared', () => {
  it('takes * for any value, and nothing for granted', () => {
    expect(matches({ a: '*', b: [1, '*'] }, { b: [1, {}], a: null })).toBe(true);
    expect(matches('*', undefined)).toBe(false);
    expect(matches({ a: 1 }, { a: 1, b: 2 })).toBe(false);
    expect(matches({ a: 1, b: 2 }, { a: 1 })).toBe(false);
    expect(matches([1], [1, 2])).toBe(false);
    expect(matches({}, [])).toBe(false);
    expect(matches(1, '1')).toBe(false);
  });

  it('fails on a wrong reply, a wrong event, and an event that does not come before the reply', async () => {
    const play = (steps: NonNullable<Example['steps']>, ...sent: object[]): Promise<void> => {
      const messages = [{ QMP: {} }, { return: {} }, ...sent] as Readonly<Record<string, unknown>>[];
      const receive = (): Promise<Readonly<Record<string, unknown>>> => {
        const message = messages.shift();
        return message === undefined ? Promise.reject(new Error('nothing came')) : Promise.resolve(message);
      };
      return playExample({ steps }, {}, { send: () => undefined, receive });
    };
    const stop = { event: 'STOP' };
    const done = { return: {} };
    await expect(play([stop, { '<-': done }], { event: 'OTHER' }, stop, done)).resolves.toBeUndefined();
    await expect(play([stop, { '<-': done }], done, stop)).rejects.toThrow('but got  {"return":{}}');
    await expect(play([{ '<-': done }], { return: 5 })).rejects.toThrow('expected {"return":{}}');
    await expect(play([{ event: 'STOP', data: { a: 1 } }], { ...stop, data: { a: 2 } })).rejects.toThrow('"a":2');
    await expect(play([stop])).rejects.toThrow('nothing came');
  });
});
