import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/options/error.ts';
import { parseOptions } from '../../src/options/parse.ts';

interface Recorded {
  readonly arguments: readonly string[];
  readonly status: number;
  readonly stderr: string;
}

/** What QEMU 7.2.22 said to command lines that it refused, with the program's name replaced. */
const recorded = JSON.parse(
  readFileSync(new URL('./qemu-7.2-refusals.json', import.meta.url), 'utf8'),
) as readonly Recorded[];

function refusal(argv: readonly string[]): OptionError {
  try {
    parseOptions(argv);
  } catch (error) {
    if (error instanceof OptionError) return error;
    throw error;
  }
  throw new Error(`taken: ${argv.join(' ')}`);
}

describe('refusals as QEMU words them', () => {
  it.each(recorded)('$arguments', ({ arguments: argv, status, stderr }) => {
    expect(status).toBe(1);
    expect(refusal(argv).text('PROGRAM')).toBe(stderr);
  });
});

describe('refusals of our own', () => {
  it.each([
    [
      ['-qmp', 'pty'],
      "-qmp pty: the character device 'pty' is not among those of viommud: unix and tcp sockets, stdio and null",
    ],
    [
      ['-chardev', 'file,id=x,path=y'],
      "-chardev file,id=x,path=y: the character device 'file' is not among those of viommud: unix and tcp sockets, stdio and null",
    ],
    [['-chardev', 'socket,id=x'], '-chardev socket,id=x: Unable to parse FD number '],
    [
      ['-chardev', 'socket,id=x,path=a,telnet=on'],
      "-chardev socket,id=x,path=a,telnet=on: 'telnet' is not served: sockets of viommud carry plain bytes",
    ],
    [
      ['-serial', 'stdio'],
      "-serial stdio: the machine has no serial port; leave the option out, or write none for 'stdio'",
    ],
    [['-display', 'gtk'], "-display gtk: viommud has no display; write none for 'gtk'"],
    [['-vga', 'std'], "-vga std: viommud has no display; write none for 'std'"],
    [['-nic', 'user'], "-nic user: viommud has no network; leave the option out, or write none for 'user'"],
    [['-drive', 'file=x'], '-drive file=x: viommud does not have block devices; leave the option out'],
    [
      ['-kernel', 'x'],
      '-kernel x: viommud does not have processors, so that nothing boots or is debugged; leave the option out',
    ],
    [['disk.img'], 'disk.img: the machine takes no disk image; options begin with a dash, see -help'],
  ])('%j', (argv, sentence) => {
    expect(refusal(argv).sentence).toBe(sentence);
  });

  it('keeps what was warned of before the error', () => {
    const error = refusal(['-device', 'edu,multifunction', '-uuid', 'x']);
    expect(error.text('viommud')).toBe(
      "viommud: -device edu,multifunction: warning: short-form boolean option 'multifunction' deprecated\n" +
        'Please use multifunction=on instead\n' +
        'viommud: -uuid x: failed to parse UUID string: wrong format\n',
    );
  });
});
