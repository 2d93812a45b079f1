/** The type of a value on the wire. Objects, enums, unions and alternates are always named. */
export type TypeShape =
  | { readonly kind: 'any' | 'boolean' | 'number' }
  | { readonly kind: 'string'; readonly pattern?: string }
  | IntegerShape
  | { readonly kind: 'array'; readonly items: TypeShape }
  | { readonly kind: 'named'; readonly name: string };

/** A 64-bit integer, or one with inclusive limits that a double holds exactly. */
export type IntegerShape =
  | { readonly kind: 'integer'; readonly format: 'int64' | 'uint64' | 'size' }
  | { readonly kind: 'integer'; readonly minimum: number; readonly maximum: number };

export interface MemberShape {
  readonly name: string;
  readonly type: TypeShape;
  readonly optional: boolean;
  readonly features?: readonly string[];
}

/** An object. An open one may have any members beside those listed. */
export interface ObjectShape {
  readonly kind: 'object';
  readonly members: readonly MemberShape[];
  readonly open: boolean;
}

/** An object whose member `tag`, one of `members`, selects further members. */
export interface UnionShape {
  readonly kind: 'union';
  readonly tag: string;
  readonly members: readonly MemberShape[];
  readonly variants: readonly { readonly case: string; readonly members: readonly MemberShape[] }[];
}

export type NamedShape =
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'alternate'; readonly choices: readonly TypeShape[] }
  | ObjectShape
  | UnionShape;

export interface CommandShape {
  /** Name of the object type of the arguments; absent without arguments. */
  readonly arguments?: string;
  /** Absent when the command returns an empty object. */
  readonly returns?: TypeShape;
  readonly allowOob: boolean;
  /** May run before `x-exit-preconfig`. */
  readonly allowPreconfig: boolean;
  readonly features: readonly string[];
  /** The handler gets the arguments as they came, and refuses what it does not like itself. */
  readonly unchecked: boolean;
}

export interface EventShape {
  /** Name of the object type of the data; absent without data. */
  readonly data?: string;
  /** An event of the model, with `sequence` and `operation`. */
  readonly model: boolean;
}

export interface SchemaShape {
  readonly types: Readonly<Record<string, NamedShape>>;
  readonly commands: Readonly<Record<string, CommandShape>>;
  readonly events: Readonly<Record<string, EventShape>>;
}
