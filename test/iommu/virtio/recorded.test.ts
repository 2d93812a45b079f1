/** Registers and requests of a virtio-iommu against what QEMU's answered over qtest, line by line. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMachine } from '../../../src/machine/create.ts';
import { MachineQtestTarget } from '../../../src/machine/qtest-target.ts';
import { QtestLog } from '../../../src/qtest/log.ts';
import { QtestSession } from '../../../src/qtest/session.ts';

type Conversation = readonly (readonly [line: string, answer: string])[];

const file = new URL('../../fixtures/virtio/iommu-qtest.json', import.meta.url);
const recorded = JSON.parse(readFileSync(file, 'utf8')) as Record<'registers' | 'requests', Conversation>;

/** Plays the lines on a fresh machine; the lines whose answers differ, with both. */
function differences(conversation: Conversation): string[] {
  const machine = createMachine({
    type: 'q35',
    noDefaults: true,
    devices: [
      { values: { driver: 'virtio-iommu-pci', addr: '1' } },
      { values: { driver: 'edu', addr: '2' } },
      { values: { driver: 'edu', addr: '3' } },
    ],
  });
  const answers: string[] = [];
  const session = new QtestSession({
    target: new MachineQtestTarget(machine, { virtualTime: true }),
    log: new QtestLog(null, () => 0),
    onInternalError: (error) => {
      throw error;
    },
    send: (text) => answers.push(...text.split('\n').filter((line) => line !== '')),
  });
  const different: string[] = [];
  for (const [line, answer] of conversation) {
    session.push(Buffer.from(`${line}\n`));
    const own = answers.splice(0).at(-1);
    if (own !== answer) different.push(`${line}: ${own ?? 'nothing'}, not ${answer}`);
  }
  return different;
}

describe('virtio-iommu beside QEMU 7.2', () => {
  it('has the same configuration space, registers and answers to drivers that break the rules', () => {
    expect(differences(recorded.registers)).toEqual([]);
  });

  it('answers requests alike, right ones and wrong ones, in every byte of the rings', () => {
    expect(differences(recorded.requests)).toEqual([]);
  });
});
