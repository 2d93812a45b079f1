import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { schema } from '../../src/generated/schema.ts';
import type { SchemaInfo } from '../../src/generated/types.ts';
import { isAllowedInPreconfig, isOutOfBand, queryCommands, queryQmpSchema } from '../../src/qmp/introspection.ts';
import { encode } from '../../src/wire/encoder.ts';

/** The entries of QEMU 7.2.22's own answer that its commands and events of the same names lead to. */
const recorded = JSON.parse(
  readFileSync(new URL('fixtures/qmp-schema-7.2.json', import.meta.url), 'utf8'),
) as SchemaInfo[];

type Entries = readonly SchemaInfo[];

const ours = queryQmpSchema();
const isEntity = (entry: SchemaInfo): boolean => entry['meta-type'] === 'command' || entry['meta-type'] === 'event';
const entity = (entries: Entries, name: string): SchemaInfo => {
  const found = entries.find((entry) => entry.name === name && isEntity(entry));
  if (found === undefined) throw new Error(`${name} is not in the schema`);
  return found;
};

/** A type as a tree without names, which are masked; a type that contains itself ends in its depth. */
function resolved(entries: Entries, name: string, path: readonly string[] = []): unknown {
  if (path.includes(name)) return { up: path.length - path.indexOf(name) };
  const type = entries.find((entry) => entry.name === name && !isEntity(entry));
  const inner = (member: string): unknown => resolved(entries, member, [...path, name]);
  switch (type?.['meta-type']) {
    case 'array':
      return [inner(type['element-type'])];
    case 'object':
      return {
        tag: type.tag,
        members: type.members.map((member) => ({ ...member, type: inner(member.type) })),
        variants: type.variants?.map((variant) => ({ case: variant.case, type: inner(variant.type) })),
        features: type.features,
      };
    case 'alternate':
      return { alternate: type.members.map((member) => inner(member.type)) };
    case 'enum':
      return { members: type.members, values: type.values };
    case 'builtin':
      return { builtin: type.name, json: type['json-type'] };
    default:
      throw new Error(`the type ${name} is not in the schema`);
  }
}

function describeEntity(entries: Entries, name: string): unknown {
  const entry = entity(entries, name);
  if (entry['meta-type'] === 'event') return { data: resolved(entries, entry['arg-type']) };
  if (entry['meta-type'] !== 'command') throw new Error(`${name} is a type`);
  return {
    arguments: resolved(entries, entry['arg-type']),
    returns: resolved(entries, entry['ret-type']),
    oob: entry['allow-oob'],
    features: entry.features,
  };
}

describe('query-qmp-schema', () => {
  // object-add is another union here: its qom-types are this machine's own, and their properties are checked by QOM.
  const different = ['object-add'];
  const standard = recorded.filter((entry) => isEntity(entry) && !different.includes(entry.name));

  it.each(standard.map((entry) => entry.name))('describes %s as QEMU does', (name) => {
    expect(describeEntity(ours, name)).toEqual(describeEntity(recorded, name));
  });

  it('describes every command and event of the schema once', () => {
    const names = ours.filter(isEntity).map((entry) => entry.name);
    expect(names).toEqual([...Object.keys(schema.commands), ...Object.keys(schema.events)]);
  });

  it('refers only to types that it has, and has none that nothing refers to', () => {
    const names = new Set(ours.filter((entry) => !isEntity(entry)).map((entry) => entry.name));
    const used = new Set<string>();
    for (const entry of ours) {
      if (entry['meta-type'] === 'command') used.add(entry['arg-type']).add(entry['ret-type']);
      if (entry['meta-type'] === 'event') used.add(entry['arg-type']);
      if (entry['meta-type'] === 'array') used.add(entry['element-type']);
      if (entry['meta-type'] === 'alternate') for (const member of entry.members) used.add(member.type);
      if (entry['meta-type'] === 'object') {
        for (const member of entry.members) used.add(member.type);
        for (const variant of entry.variants ?? []) used.add(variant.type);
      }
    }
    expect([...names].filter((name) => !used.has(name))).toEqual([]);
    expect([...used].filter((name) => !names.has(name))).toEqual([]);
    expect(names.size).toBe(ours.filter((entry) => !isEntity(entry)).length);
  });

  it('masks names by numbers in the order of first use, and calls arrays by their element', () => {
    const masked = ours.filter((entry) => entry['meta-type'] === 'object' || entry['meta-type'] === 'enum');
    const alternates = ours.filter((entry) => entry['meta-type'] === 'alternate');
    const numbers = [...masked, ...alternates].map((entry) => Number(entry.name)).sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, index) => index));
    const positions = ours.filter((entry) => /^\d+$/.test(entry.name)).map((entry) => Number(entry.name));
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    for (const entry of ours) {
      if (entry['meta-type'] === 'array') expect(entry.name).toBe(`[${entry['element-type']}]`);
    }
    expect(resolved(ours, '0')).toEqual({ members: [], tag: undefined, variants: undefined, features: undefined });
  });

  it('writes members in the order of QEMU', () => {
    const text = (entry: SchemaInfo): string => encode(entry);
    expect(text(entity(ours, 'migrate-pause'))).toBe(
      '{"name": "migrate-pause", "ret-type": "0", "allow-oob": true, "meta-type": "command", "arg-type": "0"}',
    );
    expect(text(entity(ours, 'device_add'))).toMatch(
      /^\{"name": "device_add", "ret-type": "0", "meta-type": "command", "arg-type": "\d+", "features": \["json-cli", "json-cli-hotplug"\]\}$/,
    );
    expect(text(entity(ours, 'STOP'))).toBe('{"name": "STOP", "meta-type": "event", "arg-type": "0"}');
  });

  it('shows an address as a choice of integer and string', () => {
    const { arguments: args } = describeEntity(ours, 'memory-read') as { arguments: { members: { type: unknown }[] } };
    expect(args.members[0]?.type).toEqual({
      alternate: [
        { builtin: 'int', json: 'int' },
        { builtin: 'str', json: 'string' },
      ],
    });
  });

  it('stays below the 256 KiB that a line may have in the Python client', () => {
    expect(encode({ return: ours }).length).toBeLessThan(256 * 1024);
  });

  it('is made once', () => {
    expect(queryQmpSchema()).toBe(ours);
  });
});

describe('query-commands', () => {
  it('lists the commands of the schema backwards, as QEMU does', () => {
    expect(queryCommands().map((command) => command.name)).toEqual(Object.keys(schema.commands).reverse());
  });
});

describe('isAllowedInPreconfig', () => {
  it('holds for the commands that QEMU 7.2 runs there, and those about the connection', () => {
    const allowed = Object.keys(schema.commands).filter(isAllowedInPreconfig);
    const qemu = [
      ...[
        'object-add',
        'object-del',
        'qmp_capabilities',
        'qom-get',
        'qom-list',
        'qom-list-properties',
        'qom-list-types',
      ],
      ...['qom-set', 'query-chardev', 'query-command-line-options', 'query-commands', 'query-hotpluggable-cpus'],
      ...['query-iothreads', 'query-memdev', 'query-name', 'query-qmp-schema', 'query-status', 'query-uuid'],
      ...['query-version', 'quit', 'set-action', 'x-exit-preconfig'],
    ];
    expect(allowed.sort()).toEqual([...qemu, 'query-clients', 'set-event-filter'].sort());
    expect(isAllowedInPreconfig('toString')).toBe(false);
  });
});

describe('isOutOfBand', () => {
  it('holds for the commands of QEMU 7.2 and those that a client needs while a command waits', () => {
    const allowed = Object.keys(schema.commands).filter(isOutOfBand);
    const qemu = ['migrate-pause', 'migrate-recover', 'query-yank', 'yank'];
    const own = ['page-response', 'query-clients', 'query-event-log', 'query-page-requests', 'set-event-filter'];
    expect(allowed.sort()).toEqual([...qemu, ...own].sort());
    expect(isOutOfBand('no-such-command')).toBe(false);
    expect(isOutOfBand('toString')).toBe(false);
  });
});
