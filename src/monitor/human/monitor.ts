import { commandName, type HumanCommand, nextWord, runHumanCommand } from './command.ts';
import { DumpFormats } from './dump-format.ts';

const lineOfHelp = (prefix: string, command: HumanCommand): string => {
  const names = command.names.join('|');
  return `${prefix}${names} ${command.usage} -- ${command.help}\n`;
};

/**
 * The human monitor behind `human-monitor-command`: two tables of commands, `info …` and the rest. Whatever the line
 * says, the answer is text: a failing command is a successful reply, as in QEMU.
 */
export class HumanMonitor {
  readonly #commands: readonly HumanCommand[];
  readonly #topics: readonly HumanCommand[];

  readonly #formats: DumpFormats;

  /** @param topics what follows `info` @param formats the last format given */
  constructor(commands: readonly HumanCommand[], topics: readonly HumanCommand[], formats = new DumpFormats()) {
    this.#formats = formats;
    this.#commands = [...commands, this.#info(), this.#help()].sort((a, b) => (a.names[0]! < b.names[0]! ? -1 : 1));
    this.#topics = topics.toSorted((a, b) => (a.names[0]! < b.names[0]! ? -1 : 1));
  }

  /** Runs one line; returns its text with CRLF line ends, as QMP carries it. */
  execute(line: string): string {
    return this.#run(line).replaceAll('\n', '\r\n');
  }

  #run(line: string): string {
    const { word, rest } = commandName(line);
    if (word === '' && rest === '') return '';
    if (word === 'info') return this.#runInfo(rest);
    if (word === 'help' || word === '?') return this.#runHelp(rest);
    const command = this.#commands.find(({ names }) => names.includes(word));
    return command === undefined ? unknown(word) : runHumanCommand(command, word, rest, this.#formats);
  }

  #runInfo(line: string): string {
    const { word, rest } = nextWord(line);
    if (word === '') return this.#topics.map((topic) => lineOfHelp('info ', topic)).join('');
    const topic = this.#topics.find(({ names }) => names.includes(word));
    return topic === undefined ? unknown(`info ${word}`) : runHumanCommand(topic, `info ${word}`, rest, this.#formats);
  }

  #runHelp(line: string): string {
    const { word, rest } = nextWord(line);
    if (word === '') return this.#commands.map((command) => lineOfHelp('', command)).join('');
    if (word === 'info') {
      const { word: topic } = nextWord(rest);
      if (topic === '') return this.#runInfo('');
      const found = this.#topics.find(({ names }) => names.includes(topic));
      return found === undefined ? unknown(`info ${topic}`) : lineOfHelp('info ', found);
    }
    const command = this.#commands.find(({ names }) => names.includes(word));
    return command === undefined ? unknown(word) : lineOfHelp('', command);
  }

  // The tables of help list these two; #run sees them before the table, since they take the rest of the line whole.
  #info(): HumanCommand {
    return {
      names: ['info'],
      parameters: [{ kind: 'string', name: 'subcommand', optional: true }],
      usage: '[subcommand]',
      help: 'show various information about the system state',
      run: ({ strings }) => this.#runInfo(strings.join(' ')),
    };
  }

  #help(): HumanCommand {
    return {
      names: ['help', '?'],
      parameters: [{ kind: 'string', name: 'cmd', optional: true }],
      usage: '[cmd]',
      help: 'show the help',
      run: ({ strings }) => this.#runHelp(strings.join(' ')),
    };
  }
}

function unknown(name: string): string {
  return `unknown command: '${name}'\n`;
}
