import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';

const UNIT = ['-M', 'q35', '-S', '-device', 'intel-iommu'];

let daemon: TestDaemon | null = null;
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
});

describe('trace points', () => {
  it('write to the file of -D, from the time at which the machine is built', async () => {
    daemon = await TestDaemon.start([...UNIT, '-trace', 'vtd_switch*', '-D', 'DIR/trace.log']);
    const text = (): string => readFileSync(join(daemon!.folder, 'trace.log'), 'utf8');
    expect(text()).toMatch(/^vtd_switch_address_space Device 00:00\.0 switching address space \(iommu enabled=0\)\n/);
    const client = await daemon.client();
    const before = text();
    await client.execute('trace-event-set-state', { name: 'vtd_switch*', enable: false });
    await client.execute('trace-event-set-state', { name: 'vtd_context*', enable: true });
    await client.execute('system_reset');
    expect(text().slice(before.length)).toBe('vtd_context_cache_reset \n');
    client.close();
    expect(daemon.output).toBe('');
  });

  it('write to standard error, with who and when by -msg timestamp=on', async () => {
    daemon = await TestDaemon.start([...UNIT, '-d', 'unimp,trace:vtd_context*', '-msg', 'timestamp=on']);
    const client = await daemon.client();
    await client.execute('system_reset');
    client.close();
    await daemon.stop();
    const [, pid] = /^(\d+)@\d{10}\.\d{6}:vtd_context_cache_reset \n/.exec(daemon.output)!;
    expect(Number(pid)).toBe(daemon.process.pid);
  });

  it('are named by a file, too, and taken back by a minus', async () => {
    daemon = await TestDaemon.start(['-M', 'none']);
    const events = join(daemon.folder, 'events');
    writeFileSync(events, '# comment\nvtd_dmar*\n-vtd_dmar_fault\n');
    const other = await TestDaemon.start([...UNIT, '-trace', `events=${events}`]);
    const client = await other.client();
    const points = await client.execute('trace-event-get-state', { name: 'vtd_dmar*' });
    client.close();
    await other.stop();
    expect(points.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'vtd_dmar_fault disabled',
      'vtd_dmar_enable enabled',
      'vtd_dmar_translate enabled',
    ]);
  });
});
