/** The schema files as they are written: JSON Schema 2020-12 within the limits that meta/module.schema.json sets. */

interface Feature {
  readonly name: string;
  readonly description: string;
}

export interface SourceType {
  readonly description?: string;
  readonly $ref?: string;
  readonly type?: 'string' | 'boolean' | 'integer' | 'number' | 'array' | 'object';
  readonly format?: 'int64' | 'uint64' | 'size';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly values?: Readonly<Record<string, string>>;
  readonly items?: SourceType;
  readonly const?: string;
  readonly properties?: Readonly<Record<string, SourceType>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly discriminator?: { readonly propertyName: string };
  readonly oneOf?: readonly SourceType[];
  readonly features?: readonly Feature[];
}

/** A message to the daemon, a message from it, or an event; in messages from it the string `*` matches any value. */
export interface ExampleStep {
  readonly '->'?: Readonly<Record<string, unknown>>;
  readonly '<-'?: Readonly<Record<string, unknown>>;
  readonly event?: string;
  readonly data?: unknown;
}

export interface Example {
  readonly title?: string;
  /** What the daemon is started with. */
  readonly options?: readonly string[];
  readonly setup?: readonly string[];
  readonly steps?: readonly ExampleStep[];
  /** An event as it looks on the wire, without its timestamp; not played. */
  readonly message?: Readonly<Record<string, unknown>>;
}

interface SourceError {
  readonly class: string;
  readonly when: string;
  readonly desc?: string;
}

export interface SourceCommand {
  readonly summary: string;
  readonly description?: string;
  readonly since: string;
  readonly 'allow-oob'?: boolean;
  readonly 'allow-preconfig'?: boolean;
  readonly features?: readonly Feature[];
  readonly 'unchecked-arguments'?: boolean;
  readonly arguments?: SourceType;
  readonly returns?: SourceType;
  readonly errors: readonly SourceError[];
  readonly examples: readonly Example[];
}

export interface SourceEvent {
  readonly summary: string;
  readonly description?: string;
  readonly since: string;
  readonly model?: boolean;
  readonly data?: SourceType;
  readonly examples: readonly Example[];
}

export interface SourceModule {
  readonly module: string;
  readonly title: string;
  readonly description: string;
  readonly types?: Readonly<Record<string, SourceType>>;
  readonly commands?: Readonly<Record<string, SourceCommand>>;
  readonly events?: Readonly<Record<string, SourceEvent>>;
}

export interface Setup {
  readonly description: string;
  readonly steps: readonly ExampleStep[];
}

/** All of schema/, checked. */
export interface Source {
  readonly modules: readonly SourceModule[];
  readonly setups: Readonly<Record<string, Setup>>;
}

/** Something in the schema that does not build; the message names the file and the place. */
export class SchemaError extends Error {
  constructor(file: string, place: string, problem: string) {
    super(`${file}: ${place === '' ? '' : `${place}: `}${problem}`);
    this.name = 'SchemaError';
  }
}
