import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { load } from '../../schema/generator/load.ts';
import { outputs, root } from '../../schema/generator/outputs.ts';
import type { Example } from '../../schema/generator/source.ts';
import { schema } from '../../src/generated/schema.ts';
import type { CommandName } from '../../src/generated/types.ts';
import { AMD_FAULTS } from '../../src/iommu/amd/faults.ts';
import { FAULT_REASONS } from '../../src/iommu/faults.ts';
import { ERRORS } from '../../src/iommu/s390/errors.ts';
import { TCE_FAULTS } from '../../src/iommu/spapr/faults.ts';
import { IOMMU_FAULTS } from '../../src/iommu/virtio/faults.ts';
import { compile } from '../../src/qmp/argument-schema.ts';
import { validateArguments } from '../../src/qmp/arguments.ts';
import type { WireObject } from '../../src/wire/values.ts';
import { systemProgram } from '../support/system-program.ts';

const source = load();
const made = outputs();
/** The anchor that a heading gets on the usual sites. */
const anchor = (heading: string): string => heading.toLowerCase().replaceAll(' ', '-');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('generated files', () => {
  it.each([...made.keys()])('%s is as the schema says', (file) => {
    expect(read(file)).toBe(made.get(file));
  });

  it('describe every command, event and type', () => {
    const reference = read('docs/qmp-reference.md');
    const anchors = new Set([...reference.matchAll(/^#+ (.*)$/gm)].map((match) => anchor(match[1] ?? '')));
    const named = source.modules.flatMap((module) => Object.keys(module.types ?? {})).filter((name) => name !== 'Any');
    const all = [...Object.keys(schema.commands), ...Object.keys(schema.events), ...named];
    expect(all.filter((name) => !anchors.has(anchor(name)))).toEqual([]);
    // Every link within the page leads to a heading.
    const links = [...reference.matchAll(/\]\(#([^)]*)\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !anchors.has(link))).toEqual([]);
  });

  it('have sequence and operation in model events, and only there', () => {
    for (const event of Object.values(schema.events)) {
      const data = event.data === undefined ? undefined : schema.types[event.data];
      const names = data?.kind === 'object' ? data.members.map((member) => member.name) : [];
      expect(names.includes('sequence')).toBe(event.model);
      expect(names.includes('operation')).toBe(event.model);
    }
  });

  it('name the fault reasons that the model raises, and no others', () => {
    const reasons = schema.types['FaultReason'];
    const raised = new Set([
      ...[...FAULT_REASONS, ...AMD_FAULTS, ...ERRORS].map((fault) => fault.reason),
      ...Object.keys(IOMMU_FAULTS),
      ...Object.keys(TCE_FAULTS),
    ]);
    expect(new Set(reasons?.kind === 'enum' ? reasons.values : [])).toEqual(raised);
  });
});

describe('shell completion', () => {
  const bash = systemProgram('bash');
  const complete = (words: string[]): string[] => {
    const script = `source clients/shell/viommu-completion.bash
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _viommu_ask; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const result = spawnSync(bash.path, ['-c', script, 'bash', ...words], { cwd: root, encoding: 'utf8' });
    expect(result.stderr).toBe('');
    return result.stdout.split('\n').filter((line) => line !== '');
  };

  it.skipIf(bash.missing)(bash.title('completes commands and offers a form for required arguments'), () => {
    expect(complete(['viommu-ask', 'qmp.sock', 'iommu-f'])).toEqual([
      'iommu-flush-iotlb',
      'iommu-flush-pasid-cache',
      'iommu-flush-device-iotlb',
    ]);
    expect(complete(['viommu-ask', 'qmp.sock', 'dma-read', ''])).toEqual([`'{"device": , "address": , "size": }'`]);
    expect(complete(['viommu-ask', 'qmp.sock', 'query-status', ''])).toEqual([]);
  });
});

describe('examples', () => {
  const commands = source.modules.flatMap((module) => Object.entries(module.commands ?? {}));
  const events = source.modules.flatMap((module) => Object.entries(module.events ?? {}));
  const sent = (examples: readonly Example[]): Readonly<Record<string, unknown>>[] =>
    examples
      .flatMap((example) => example.steps ?? [])
      .map((step) => step['->'])
      .filter((message) => message !== undefined);
  const setups = Object.values(source.setups).map((setup) => [setup] as readonly Example[]);

  it('send only valid arguments', () => {
    const messages = [
      ...commands.map(([, { examples }]) => examples),
      ...events.map(([, { examples }]) => examples),
      ...setups,
    ];
    for (const message of messages.flatMap(sent)) {
      const name = (message['execute'] ?? message['exec-oob']) as CommandName;
      expect(Object.keys(schema.commands)).toContain(name);
      expect(() => validateArguments(name, message['arguments'] as WireObject | undefined)).not.toThrow();
    }
  });

  it('show events with the members that the schema gives them', () => {
    for (const [name, event] of events) {
      for (const { message } of event.examples) {
        if (message === undefined) continue;
        const typeName = schema.events[name]?.data;
        expect(message['data'] === undefined).toBe(typeName === undefined);
        if (typeName === undefined) continue;
        const valid = compile(typeName);
        expect(valid(message['data']), `${name}: ${JSON.stringify(valid.errors)}`).toBe(true);
      }
    }
  });
});
