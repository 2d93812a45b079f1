import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileFormat, renderFormat, type Argument } from '../../src/trace/points/format.ts';
import { tracePointFormats, tracePointNames } from '../../src/trace/points/table.ts';

const source = join(import.meta.dirname, '../../src');
/** QEMU's own list of trace points, for tools that read its traces; of the package qemu-system-data. */
const qemuList = '/usr/share/qemu/trace-events-all';

/** Those that QEMU 7.2 does not have yet. */
const LATER = /^(iommufd_|vtd_inv_desc_pasid_cache_)/;

describe('the table of trace points', () => {
  it('has no point that nothing reaches', () => {
    const text = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.startsWith(join('trace', 'points')))
      .map((file) => readFileSync(join(source, file), 'utf8'))
      .join('\n');
    const reached = new Set([...text.matchAll(/oints\.(\w+)/g)].map(([, name]) => name));
    expect(tracePointNames.filter((name) => !reached.has(name))).toEqual([]);
  });

  it.skipIf(!existsSync(qemuList))('has the formats of QEMU 7.2 (install the package qemu-system-data)', () => {
    const formats = new Map<string, string>();
    for (const line of readFileSync(qemuList, 'utf8').split('\n')) {
      const match = /^(\w+)\(.*?\) (".*)$/.exec(line);
      if (match !== null) formats.set(match[1]!, plain(match[2]!));
    }
    const ours = tracePointNames.filter((name) => !LATER.test(name));
    expect(ours.length).toBeGreaterThan(70);
    for (const name of ours) expect([name, tracePointFormats[name]]).toEqual([name, formats.get(name)]);
  });
});

/** A format that C pastes together from texts and macros for the widths of integers. */
function plain(format: string): string {
  const quoted = format.replaceAll(
    /PRI([xud])(8|16|32|64)/g,
    (_macro, letter: string, bits: string) => `"${bits === '64' ? 'l' : ''}${letter}"`,
  );
  const texts = [...quoted.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!.replaceAll('\\"', '"'));
  return texts.join('');
}

describe('formats', () => {
  const render = (format: string, ...values: Argument[]): string =>
    renderFormat(
      compileFormat(format, () => 7),
      values,
    );

  it.each<[string, Argument[], string]>([
    ['', [], ''],
    ['%s', ['all'], 'all'],
    ['0x%lx', [0xffff_ffff_ffff_ffffn], '0xffffffffffffffff'],
    ['0x%lx', [-1n], '0xffffffffffffffff'],
    ['0x%lx', [2 ** 40], '0x10000000000'],
    ['0x%x', [0x8000_0000], '0x80000000'],
    ['0x%x', [0x8000_0000 | 0], '0x80000000'],
    ['%02x:%02x.%x', [0, 31, 7], '00:1f.7'],
    ['%02x', [0x123], '123'],
    ['%3u|%3d', [7, -1], '  7| -1'],
    ['%d', [true], '1'],
    ['%d', [0xffff_ffff], '-1'],
    ['%u', [-1], '4294967295'],
    ['%p', [{}], '0x7'],
    ['%p', [null], '(nil)'],
    ['%p', [0x1000n], '0x1000'],
  ])("'%s' gives what C does (%#)", (format, values, text) => {
    expect(render(format, ...values)).toBe(text);
  });

  it('know no other conversions', () => {
    expect(() => compileFormat('%f', () => 0)).toThrow('unknown conversion');
  });
});
