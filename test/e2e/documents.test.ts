/** What the documents say, tried: the tour of the README word for word, its commands, and every link. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The lines of a conversation that a document shows, in its fenced blocks between two headings. */
function conversation(document: string, from: string, to: string): string[] {
  const part = document.slice(document.indexOf(from), document.indexOf(to));
  const blocks = [...part.matchAll(/^```\n(.*?)^```/gms)].map((match) => match[1] ?? '');
  return blocks.join('').trim().split('\n');
}

/**
 * Sends the commands of a conversation and holds what comes to what is shown; returns how many lines came. The replies
 * of several commands in a row are left out: they are said to be empty. So are the first `unseen` lines.
 */
async function replay(shown: readonly string[], options: readonly string[] = [], unseen = 0): Promise<number> {
  const daemon = await TestDaemon.start(options);
  try {
    const connection = await daemon.connection();
    let count = unseen;
    for (const [index, line] of shown.entries()) {
      if (line.startsWith('{"execute"')) {
        connection.send(`${line}\n`);
        if (!(shown[index + 1] ?? '').startsWith('{"execute"') && index + 1 < shown.length) continue;
        if ((await connection.lines(++count)).at(-1) !== '{"return": {}}') throw new Error(`after ${line}`);
        continue;
      }
      const came = (await connection.lines(++count))[count - 1] ?? '';
      expect(came.replace(/"timestamp": \{[^}]*\}/, '"timestamp": …')).toBe(line);
    }
    return count;
  } finally {
    await daemon.stop();
  }
}

describe('README.md', () => {
  const readme = read('README.md');

  it('shows a tour that goes exactly like that', async () => {
    const shown = conversation(readme, '## Five minutes', '## With a guest');
    expect(shown.shift()).toMatch(/^\$ socat - UNIX-CONNECT:/);
    expect(await replay(shown)).toBeGreaterThan(20);
  });

  it('shows what happens on another platform, on a machine as it says', async () => {
    const shown = conversation(readme, '## On other platforms', '## Talking to it');
    const [, options = ''] = /`(-M pseries [^`]*)`/.exec(readme) ?? [];
    expect(await replay(['{"execute": "qmp_capabilities"}', '{"return": {}}', ...shown], options.split(' '), 1)).toBe(
      13,
    );
  });

  it('shows what the built-in guest does, its events left out', async () => {
    const shown = conversation(readme, '## With a guest', '## On other platforms');
    const daemon = await TestDaemon.start();
    try {
      const connection = await daemon.connection();
      connection.send('{"execute": "qmp_capabilities"}\n');
      const replies = async (count: number): Promise<string[]> => {
        for (let lines = count; ; lines += 1) {
          const found = (await connection.lines(lines)).filter((line) => !line.includes('"event": '));
          if (found.length >= count) return found;
        }
      };
      let count = 2;
      for (const [index, line] of shown.entries()) {
        if (!line.startsWith('{"execute"')) continue;
        connection.send(`${line}\n`);
        const next = shown[index + 1] ?? '';
        const expected = next.startsWith('{"return"') ? next : '{"return": {}}';
        expect((await replies(++count)).at(-1)).toBe(expected);
      }
      expect(count).toBeGreaterThan(8);
    } finally {
      await daemon.stop();
    }
  });

  it('names only targets that make has', () => {
    const targets = new Set([...read('Makefile').matchAll(/^([a-z]+):/gm)].map((match) => match[1]));
    const named = [...readme.matchAll(/`make ([a-z]+)`|^make ([a-z]+)/gm)].map((match) => match[1] ?? match[2]);
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((name) => !targets.has(name))).toEqual([]);
  });
});

describe('links', () => {
  it('between the documents lead somewhere', () => {
    const links = ['README.md', 'ARCHITECTURE.md', 'docs/quirks.md', 'docs/units.md'].flatMap((document) =>
      [...read(document).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map((match) => join(dirname(document), match[1] ?? '')),
    );
    expect(links.length).toBeGreaterThan(4);
    expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([]);
  });
});
