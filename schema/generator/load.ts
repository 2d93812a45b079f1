import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ErrorObject } from 'ajv/dist/2020.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Example, Setup, Source, SourceModule } from './source.ts';
import { SchemaError } from './source.ts';

/** The folder that this project's schema lies in. */
const schemaFolder = fileURLToPath(new URL('..', import.meta.url));

/**
 * Reads the modules that `modules.json` lists, in that order, and checks them against the meta schema.
 * @throws SchemaError naming file and place
 */
export function load(folder: string = schemaFolder): Source {
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strict: false });
  const meta = readJson(join(schemaFolder, 'meta'), 'module.schema.json') as Record<string, unknown>;
  const valid = ajv.compile(meta);
  const { modules: names } = readJson(folder, 'modules.json') as { modules: string[] };
  const modules = names.map((name) => {
    const value = readJson(folder, `${name}.json`);
    if (!valid(value)) throw invalid(`${name}.json`, valid.errors ?? []);
    const module = value as SourceModule;
    if (module.module !== name) throw new SchemaError(`${name}.json`, 'module', `must be '${name}'`);
    return module;
  });
  for (const file of readdirSync(folder)) {
    const listed = ['modules.json', 'setups.json'].includes(file) || names.includes(basename(file, '.json'));
    if (file.endsWith('.json') && !listed) throw new SchemaError(file, '', 'is not listed in modules.json');
  }
  const setups = readJson(folder, 'setups.json') as Record<string, Setup>;
  for (const module of modules) checkExamples(module, setups);
  return { modules, setups };
}

function readJson(folder: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(join(folder, file), 'utf8'));
  } catch (error) {
    throw new SchemaError(file, '', error instanceof Error ? error.message : String(error));
  }
}

function invalid(file: string, all: readonly ErrorObject[]): SchemaError {
  // Errors that only say that a branch of the meta schema failed repeat what the branch itself says.
  const errors = all.filter((error) => error.keyword !== 'if');
  // The deepest place is the most exact.
  const depth = (error: ErrorObject): number => error.instancePath.split('/').length;
  const first = [...errors].sort((a, b) => depth(b) - depth(a))[0];
  const place = (first?.instancePath ?? '').slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
  return new SchemaError(file, place, first === undefined ? 'is not valid' : problem(first));
}

function problem(error: ErrorObject): string {
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'required':
      return `lacks '${String(params['missingProperty'])}'`;
    case 'additionalProperties':
      return `'${String(params['additionalProperty'])}' is not known here`;
    case 'minItems':
      return 'needs at least one element';
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).map(String).join(', ')}`;
    case 'propertyNames':
      return `'${String(params['propertyName'])}' is not a good name`;
    case 'pattern':
      return `must match ${String(params['pattern'])}`;
    default:
      return error.message ?? error.keyword;
  }
}

/** Examples name commands and setups that exist, and an event's examples show that event. */
function checkExamples(module: SourceModule, setups: Readonly<Record<string, Setup>>): void {
  const file = `${module.module}.json`;
  const checkOne = (example: Example, place: string, shows: (example: Example) => boolean): void => {
    for (const setup of example.setup ?? []) {
      if (!(setup in setups)) throw new SchemaError(file, `${place}/setup`, `'${setup}' is not in setups.json`);
    }
    if (!shows(example)) throw new SchemaError(file, place, 'does not show what it is an example of');
  };
  for (const [name, command] of Object.entries(module.commands ?? {})) {
    command.examples.forEach((example, index) => {
      const sent = (example.steps ?? []).map((step) => step['->']);
      checkOne(example, `commands/${name}/examples/${index}`, () =>
        sent.some((message) => message?.['execute'] === name || message?.['exec-oob'] === name),
      );
    });
  }
  for (const [name, event] of Object.entries(module.events ?? {})) {
    event.examples.forEach((example, index) => {
      const named = (step: { event?: unknown }): boolean => step.event === name;
      checkOne(
        example,
        `events/${name}/examples/${index}`,
        () => (example.steps ?? []).some(named) || (example.message !== undefined && named(example.message)),
      );
    });
  }
}
