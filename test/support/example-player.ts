import { isDeepStrictEqual } from 'node:util';
import type { Example, ExampleStep, Setup } from '../../schema/generator/source.ts';

type Message = Readonly<Record<string, unknown>>;

/** A connection to a fresh daemon: whole messages in both directions, in order. */
export interface Conversation {
  send(message: Message): void;
  /** The next message that the daemon sent; rejects when none comes. */
  receive(): Promise<Message>;
}

/** True when a value is as the example says, in which the string `*` stands for any value. */
export function matches(expected: unknown, actual: unknown): boolean {
  if (expected === '*') return actual !== undefined;
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((element, index) => matches(element, actual[index]))
    );
  }
  if (typeof expected !== 'object' || expected === null) return isDeepStrictEqual(expected, actual);
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) return false;
  const members = Object.entries(expected);
  return (
    Object.keys(actual).length === members.length &&
    members.every(([name, value]) => name in actual && matches(value, (actual as Message)[name]))
  );
}

/**
 * Plays an example after its setups, negotiating first unless the example is about that.
 * @throws Error with the message that came instead of the one that the example shows
 */
export async function playExample(
  example: Example,
  setups: Readonly<Record<string, Setup>>,
  conversation: Conversation,
): Promise<void> {
  const steps = [...(example.setup ?? []).flatMap((name) => setups[name]?.steps ?? []), ...(example.steps ?? [])];
  await nextReply(conversation, { QMP: '*' });
  if (steps[0]?.['->']?.['execute'] !== 'qmp_capabilities') {
    await playSteps([{ '->': { execute: 'qmp_capabilities' } }, { '<-': { return: {} } }], conversation);
  }
  await playSteps(steps, conversation);
}

async function playSteps(steps: readonly ExampleStep[], conversation: Conversation): Promise<void> {
  for (const step of steps) {
    if (step['->'] !== undefined) conversation.send(step['->']);
    if (step['<-'] !== undefined) await nextReply(conversation, step['<-']);
    if (step.event !== undefined) await nextEvent(conversation, step.event, step.data);
  }
}

/** Events that an example does not name are passed over; a reply in place of an event is not. */
async function nextEvent(conversation: Conversation, name: string, data: unknown): Promise<void> {
  for (;;) {
    const message = await conversation.receive();
    if (message['event'] === undefined) throw unlike({ event: name, data }, message);
    if (message['event'] !== name) continue;
    if (data === undefined ? message['data'] === undefined : matches(data, message['data'])) return;
    throw unlike({ event: name, data }, message);
  }
}

async function nextReply(conversation: Conversation, expected: Message): Promise<void> {
  for (;;) {
    const message = await conversation.receive();
    if (message['event'] !== undefined) continue;
    if (matches(expected, message)) return;
    throw unlike(expected, message);
  }
}

function unlike(expected: unknown, actual: unknown): Error {
  return new Error(`expected ${JSON.stringify(expected)}\nbut got  ${JSON.stringify(actual)}`);
}
