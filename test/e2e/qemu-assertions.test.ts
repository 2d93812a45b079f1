import { afterEach, describe, expect, it } from 'vitest';
import { LibqtestLaunch } from '../support/libqtest-launch.ts';

/*
 * What QEMU's own qmp-cmd-test, device-introspect-test, qom-test and device-plug-test assert of a server, where it needs
 * neither CPUs nor a block layer; started as they start it.
 */

interface TypeInfo {
  readonly name: string;
  readonly abstract?: boolean;
  readonly parent?: string;
}

interface SchemaEntry {
  readonly name: string;
  readonly 'meta-type': string;
  readonly 'arg-type'?: string;
  readonly 'ret-type'?: string;
  readonly members?: readonly { readonly name: string; readonly default?: null }[];
}

let launched: LibqtestLaunch | null = null;
afterEach(async () => {
  await launched?.stop();
  launched = null;
});

async function start(...args: string[]): Promise<LibqtestLaunch> {
  launched = await LibqtestLaunch.start(args);
  return launched;
}

const typesOf = (qemu: LibqtestLaunch, filter: Record<string, unknown>): Promise<TypeInfo[]> =>
  qemu.result<TypeInfo[]>('qom-list-types', filter);

describe('qmp-cmd-test', () => {
  /** Commands that fail without what they ask about. */
  const failing: Readonly<Record<string, string>> = {
    'query-acpi-ospm-status': 'GenericError',
    'query-hotpluggable-cpus': 'GenericError',
    'query-sev-capabilities': 'GenericError',
    'query-sgx-capabilities': 'GenericError',
  };

  it('queries without arguments succeed on machine none', async () => {
    const qemu = await start('-machine', 'none');
    const schema = await qemu.result<SchemaEntry[]>('query-qmp-schema');
    const byName = new Map(schema.map((entry) => [entry.name, entry]));
    const queries = schema.filter((entry) => {
      const { members = [] } = byName.get(entry['arg-type'] ?? '') ?? {};
      const result = byName.get(entry['ret-type'] ?? '');
      const returnsNothing = result?.['meta-type'] === 'object' && (result.members ?? []).length === 0;
      return entry['meta-type'] === 'command' && members.every((member) => 'default' in member) && !returnsNothing;
    });
    expect(queries.length).toBeGreaterThan(20);
    for (const { name } of queries) {
      const reply = await qemu.execute(name);
      expect([name, reply.error?.class ?? 'ok']).toEqual([name, failing[name] ?? 'ok']);
    }
  });

  it('object-add wants a type, an id, a size of the right kind and nothing else', async () => {
    const qemu = await start('-machine', 'none');
    const backend = { 'qom-type': 'memory-backend-ram', id: 'ram1' };
    const classOf = async (name: string, args: Record<string, unknown>): Promise<string | undefined> =>
      (await qemu.execute(name, args)).error?.class;
    expect(await classOf('object-add', backend)).toBe('GenericError');
    expect(await classOf('object-add', { id: 'ram1', size: 1048576 })).toBe('GenericError');
    expect(await classOf('object-add', { ...backend, size: 1048576 })).toBeUndefined();
    expect(await classOf('object-add', { ...backend, size: 1048576 })).toBe('GenericError');
    expect(await classOf('object-del', { id: 'ram1' })).toBeUndefined();
    expect(await classOf('object-add', { ...backend, size: '1048576' })).toBe('GenericError');
    expect(await classOf('object-add', { 'qom-type': 'memory-backend-ram', size: 1048576 })).toBe('GenericError');
    expect(await classOf('object-add', { ...backend, sized: 1048576 })).toBe('GenericError');
    expect(await classOf('object-del', { id: 'ram1' })).toBe('GenericError');
    expect(await classOf('object-del', { ida: 'ram1' })).toBe('GenericError');
  });
});

describe('device-introspect-test', () => {
  it('types, parents and interfaces agree', async () => {
    const qemu = await start('-machine', 'none');
    const all = await typesOf(qemu, { abstract: true });
    const concrete = new Set((await typesOf(qemu, { abstract: false })).map(({ name }) => name));
    const parents = new Map(all.map(({ name, parent }) => [name, parent]));
    for (const { name, abstract } of all) expect([name, abstract === true]).toEqual([name, !concrete.has(name)]);
    for (const ancestor of ['object', 'device', 'sys-bus-device']) {
      for (const { name } of await typesOf(qemu, { implements: ancestor, abstract: true })) {
        const chain: string[] = [];
        for (let at: string | undefined = name; at !== undefined; at = parents.get(at)) chain.push(at);
        expect([name, chain.includes(ancestor)]).toEqual([name, true]);
      }
    }
    const interfaces = await typesOf(qemu, { implements: 'interface', abstract: true });
    for (const { name, abstract } of interfaces.filter(
      ({ parent }) => parent === 'interface' || parent === undefined,
    )) {
      expect([name, abstract]).toEqual([name, true]);
    }
  });

  it.each(['none', 'q35', 'viommu'])('looking at types changes nothing on machine %s', async (machine) => {
    const qemu = await start('-machine', machine, '-nodefaults');
    const texts = async (): Promise<string> => {
      const text = (line: string): Promise<string> =>
        qemu.result<string>('human-monitor-command', { 'command-line': line });
      return (await text('info qtree')) + (await text('info qom-tree'));
    };
    const before = await texts();
    for (const { name } of await typesOf(qemu, { implements: 'device', abstract: true })) {
      await qemu.execute('device-list-properties', { typename: name });
      await qemu.execute('qom-list-properties', { typename: name });
    }
    expect((await qemu.execute('device-list-properties', { typename: 'nonexistent-device' })).error?.class).toBe(
      'DeviceNotFound',
    );
    expect(await texts()).toBe(before);
  });
});

describe('qom-test', () => {
  async function readAll(qemu: LibqtestLaunch, path: string): Promise<number> {
    let count = 0;
    for (const { name, type } of await qemu.result<{ name: string; type: string }[]>('qom-list', { path })) {
      if (type.startsWith('child<')) count += await readAll(qemu, `${path}/${name}`);
      else await qemu.result('qom-get', { path, property: name });
      count += 1;
    }
    return count;
  }

  it.each(['none', 'q35', 'viommu'])('every property of machine %s can be read', async (machine) => {
    const qemu = await start('-machine', machine);
    expect(await readAll(qemu, '/machine')).toBeGreaterThan(20);
  });
});

describe('device-plug-test', () => {
  it('a device behind two bridges goes with a reset', async () => {
    const qemu = await start(
      ...['-machine', 'q35', '-device', 'pcie-root-port,id=p1', '-device', 'pcie-pci-bridge,bus=p1,id=b1'],
      ...['-device', '{"driver": "edu", "bus": "b1", "id": "dev0"}'],
    );
    expect(await qemu.execute('device_del', { id: 'dev0' })).toEqual({ return: {} });
    expect(await qemu.execute('system_reset')).toEqual({ return: {} });
    expect((await qemu.event('DEVICE_DELETED')).data?.['device']).toBe('dev0');
  });
});
