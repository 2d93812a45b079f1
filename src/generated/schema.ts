// Generated from schema/ by npm run generate. Do not edit.

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

export const schema: SchemaShape = {
  types: {
    Address: {
      kind: 'alternate',
      choices: [
        { kind: 'integer', format: 'uint64' },
        { kind: 'string', pattern: '^0x[0-9a-fA-F]{1,16}$' },
      ],
    },
    Encoding: { kind: 'enum', values: ['base64', 'hex'] },
    Access: { kind: 'enum', values: ['read', 'write', 'execute'] },
    Permission: { kind: 'enum', values: ['read', 'write', 'execute'] },
    Origin: { kind: 'enum', values: ['command', 'guest'] },
    CacheInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'entries', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'size', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'hits', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'misses', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    ListenerStatus: {
      kind: 'object',
      members: [
        { name: 'listener', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'ListenerKind' }, optional: false },
        { name: 'status', type: { kind: 'named', name: 'ListenerResult' }, optional: false },
        { name: 'desc', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    ListenerKind: { kind: 'enum', values: ['vfio', 'vhost', 'device'] },
    ListenerResult: { kind: 'enum', values: ['ok', 'error'] },
    QMPCapability: { kind: 'enum', values: ['oob'] },
    VersionTriple: {
      kind: 'object',
      members: [
        { name: 'major', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'minor', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'micro', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    VersionInfo: {
      kind: 'object',
      members: [
        { name: 'qemu', type: { kind: 'named', name: 'VersionTriple' }, optional: false },
        { name: 'package', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    CommandInfo: {
      kind: 'object',
      members: [{ name: 'name', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    ClientInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'socket', type: { kind: 'string' }, optional: false },
        { name: 'negotiated', type: { kind: 'boolean' }, optional: false },
        { name: 'oob', type: { kind: 'boolean' }, optional: false },
        { name: 'queued-events', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'lost-events', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    BatchCommand: {
      kind: 'object',
      members: [
        { name: 'execute', type: { kind: 'string' }, optional: false },
        { name: 'arguments', type: { kind: 'named', name: 'BatchedArguments' }, optional: true },
      ],
      open: false,
    },
    BatchedArguments: { kind: 'object', members: [], open: true },
    BatchResult: {
      kind: 'object',
      members: [
        { name: 'return', type: { kind: 'any' }, optional: true },
        { name: 'error', type: { kind: 'named', name: 'BatchError' }, optional: true },
      ],
      open: false,
    },
    BatchError: {
      kind: 'object',
      members: [
        { name: 'class', type: { kind: 'string' }, optional: false },
        { name: 'desc', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    JSONType: { kind: 'enum', values: ['string', 'number', 'int', 'boolean', 'null', 'object', 'array', 'value'] },
    SchemaInfoEnumMember: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'features', type: { kind: 'array', items: { kind: 'string' } }, optional: true },
      ],
      open: false,
    },
    SchemaInfoObjectMember: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'type', type: { kind: 'string' }, optional: false },
        { name: 'default', type: { kind: 'any' }, optional: true },
        { name: 'features', type: { kind: 'array', items: { kind: 'string' } }, optional: true },
      ],
      open: false,
    },
    SchemaInfoObjectVariant: {
      kind: 'object',
      members: [
        { name: 'case', type: { kind: 'string' }, optional: false },
        { name: 'type', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    SchemaInfoAlternateMember: {
      kind: 'object',
      members: [{ name: 'type', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    SchemaInfo: {
      kind: 'union',
      tag: 'meta-type',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'meta-type', type: { kind: 'named', name: 'SchemaInfoMetaType' }, optional: false },
        { name: 'features', type: { kind: 'array', items: { kind: 'string' } }, optional: true },
      ],
      variants: [
        {
          case: 'builtin',
          members: [{ name: 'json-type', type: { kind: 'named', name: 'JSONType' }, optional: false }],
        },
        {
          case: 'enum',
          members: [
            {
              name: 'members',
              type: { kind: 'array', items: { kind: 'named', name: 'SchemaInfoEnumMember' } },
              optional: false,
            },
            {
              name: 'values',
              type: { kind: 'array', items: { kind: 'string' } },
              optional: false,
              features: ['deprecated'],
            },
          ],
        },
        { case: 'array', members: [{ name: 'element-type', type: { kind: 'string' }, optional: false }] },
        {
          case: 'object',
          members: [
            {
              name: 'members',
              type: { kind: 'array', items: { kind: 'named', name: 'SchemaInfoObjectMember' } },
              optional: false,
            },
            { name: 'tag', type: { kind: 'string' }, optional: true },
            {
              name: 'variants',
              type: { kind: 'array', items: { kind: 'named', name: 'SchemaInfoObjectVariant' } },
              optional: true,
            },
          ],
        },
        {
          case: 'alternate',
          members: [
            {
              name: 'members',
              type: { kind: 'array', items: { kind: 'named', name: 'SchemaInfoAlternateMember' } },
              optional: false,
            },
          ],
        },
        {
          case: 'command',
          members: [
            { name: 'arg-type', type: { kind: 'string' }, optional: false },
            { name: 'ret-type', type: { kind: 'string' }, optional: false },
            { name: 'allow-oob', type: { kind: 'boolean' }, optional: true },
          ],
        },
        { case: 'event', members: [{ name: 'arg-type', type: { kind: 'string' }, optional: false }] },
      ],
    },
    SchemaInfoMetaType: {
      kind: 'enum',
      values: ['builtin', 'enum', 'array', 'object', 'alternate', 'command', 'event'],
    },
    ChardevInfo: {
      kind: 'object',
      members: [
        { name: 'label', type: { kind: 'string' }, optional: false },
        { name: 'filename', type: { kind: 'string' }, optional: false },
        { name: 'frontend-open', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    QmpCapabilitiesArguments: {
      kind: 'object',
      members: [
        { name: 'enable', type: { kind: 'array', items: { kind: 'named', name: 'QMPCapability' } }, optional: true },
      ],
      open: false,
    },
    QueryClientsReturn: {
      kind: 'object',
      members: [
        { name: 'clients', type: { kind: 'array', items: { kind: 'named', name: 'ClientInfo' } }, optional: false },
      ],
      open: false,
    },
    SetEventFilterArguments: {
      kind: 'object',
      members: [
        { name: 'include', type: { kind: 'array', items: { kind: 'string' } }, optional: true },
        { name: 'exclude', type: { kind: 'array', items: { kind: 'string' } }, optional: true },
      ],
      open: false,
    },
    BatchArguments: {
      kind: 'object',
      members: [
        { name: 'commands', type: { kind: 'array', items: { kind: 'named', name: 'BatchCommand' } }, optional: false },
      ],
      open: false,
    },
    BatchReturn: {
      kind: 'object',
      members: [
        { name: 'results', type: { kind: 'array', items: { kind: 'named', name: 'BatchResult' } }, optional: false },
      ],
      open: false,
    },
    HumanMonitorCommandArguments: {
      kind: 'object',
      members: [
        { name: 'command-line', type: { kind: 'string' }, optional: false },
        { name: 'cpu-index', type: { kind: 'integer', format: 'int64' }, optional: true },
      ],
      open: false,
    },
    EventLossEvent: {
      kind: 'object',
      members: [
        { name: 'lost', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'from', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
        { name: 'to', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
      ],
      open: false,
    },
    RunState: {
      kind: 'enum',
      values: [
        'debug',
        'inmigrate',
        'internal-error',
        'io-error',
        'paused',
        'postmigrate',
        'prelaunch',
        'finish-migrate',
        'restore-vm',
        'running',
        'save-vm',
        'shutdown',
        'suspended',
        'watchdog',
        'guest-panicked',
        'colo',
      ],
    },
    StatusInfo: {
      kind: 'object',
      members: [
        { name: 'running', type: { kind: 'boolean' }, optional: false },
        { name: 'singlestep', type: { kind: 'boolean' }, optional: false },
        { name: 'status', type: { kind: 'named', name: 'RunState' }, optional: false },
      ],
      open: false,
    },
    NameInfo: { kind: 'object', members: [{ name: 'name', type: { kind: 'string' }, optional: true }], open: false },
    UuidInfo: { kind: 'object', members: [{ name: 'UUID', type: { kind: 'string' }, optional: false }], open: false },
    SysEmuTarget: {
      kind: 'enum',
      values: [
        'aarch64',
        'alpha',
        'arm',
        'avr',
        'cris',
        'hppa',
        'i386',
        'loongarch64',
        'm68k',
        'microblaze',
        'microblazeel',
        'mips',
        'mips64',
        'mips64el',
        'mipsel',
        'nios2',
        'or1k',
        'ppc',
        'ppc64',
        'riscv32',
        'riscv64',
        'rx',
        's390x',
        'sh4',
        'sh4eb',
        'sparc',
        'sparc64',
        'tricore',
        'x86_64',
        'xtensa',
        'xtensaeb',
      ],
    },
    TargetInfo: {
      kind: 'object',
      members: [{ name: 'arch', type: { kind: 'named', name: 'SysEmuTarget' }, optional: false }],
      open: false,
    },
    KvmInfo: {
      kind: 'object',
      members: [
        { name: 'enabled', type: { kind: 'boolean' }, optional: false },
        { name: 'present', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    MemoryInfo: {
      kind: 'object',
      members: [
        { name: 'base-memory', type: { kind: 'integer', format: 'size' }, optional: false },
        { name: 'plugged-memory', type: { kind: 'integer', format: 'size' }, optional: true },
      ],
      open: false,
    },
    ShutdownCause: {
      kind: 'enum',
      values: [
        'none',
        'host-error',
        'host-qmp-quit',
        'host-qmp-system-reset',
        'host-signal',
        'host-ui',
        'guest-shutdown',
        'guest-reset',
        'guest-panic',
        'subsystem-reset',
        'snapshot-load',
      ],
    },
    MachineInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'alias', type: { kind: 'string' }, optional: true },
        { name: 'is-default', type: { kind: 'boolean' }, optional: true },
        {
          name: 'cpu-max',
          type: { kind: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
          optional: false,
        },
        { name: 'hotpluggable-cpus', type: { kind: 'boolean' }, optional: false },
        { name: 'numa-mem-supported', type: { kind: 'boolean' }, optional: false },
        { name: 'deprecated', type: { kind: 'boolean' }, optional: false },
        { name: 'default-cpu-type', type: { kind: 'string' }, optional: true },
        { name: 'default-ram-id', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    CpuDefinitionInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'migration-safe', type: { kind: 'boolean' }, optional: true },
        { name: 'static', type: { kind: 'boolean' }, optional: false },
        { name: 'unavailable-features', type: { kind: 'array', items: { kind: 'string' } }, optional: true },
        { name: 'typename', type: { kind: 'string' }, optional: false },
        { name: 'alias-of', type: { kind: 'string' }, optional: true },
        { name: 'deprecated', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    CpuModelInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'props', type: { kind: 'any' }, optional: true },
      ],
      open: false,
    },
    CpuModelExpansionType: { kind: 'enum', values: ['static', 'full'] },
    CommandLineParameterInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'type', type: { kind: 'named', name: 'CommandLineParameterType' }, optional: false },
        { name: 'help', type: { kind: 'string' }, optional: true },
        { name: 'default', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    CommandLineOptionInfo: {
      kind: 'object',
      members: [
        { name: 'option', type: { kind: 'string' }, optional: false },
        {
          name: 'parameters',
          type: { kind: 'array', items: { kind: 'named', name: 'CommandLineParameterInfo' } },
          optional: false,
        },
      ],
      open: false,
    },
    CommandLineParameterType: { kind: 'enum', values: ['string', 'boolean', 'number', 'size'] },
    QueryCpuModelExpansionArguments: {
      kind: 'object',
      members: [
        { name: 'type', type: { kind: 'named', name: 'CpuModelExpansionType' }, optional: false },
        { name: 'model', type: { kind: 'named', name: 'CpuModelInfo' }, optional: false },
      ],
      open: false,
    },
    QueryCpuModelExpansionReturn: {
      kind: 'object',
      members: [{ name: 'model', type: { kind: 'named', name: 'CpuModelInfo' }, optional: false }],
      open: false,
    },
    QuerySevCapabilitiesReturn: {
      kind: 'object',
      members: [
        { name: 'pdh', type: { kind: 'string' }, optional: false },
        { name: 'cert-chain', type: { kind: 'string' }, optional: false },
        { name: 'cpu0-id', type: { kind: 'string' }, optional: false },
        {
          name: 'cbitpos',
          type: { kind: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
          optional: false,
        },
        {
          name: 'reduced-phys-bits',
          type: { kind: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
          optional: false,
        },
      ],
      open: false,
    },
    QuerySgxCapabilitiesReturn: {
      kind: 'object',
      members: [
        { name: 'sgx', type: { kind: 'boolean' }, optional: false },
        { name: 'sgx1', type: { kind: 'boolean' }, optional: false },
        { name: 'sgx2', type: { kind: 'boolean' }, optional: false },
        { name: 'flc', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    QueryCommandLineOptionsArguments: {
      kind: 'object',
      members: [{ name: 'option', type: { kind: 'string' }, optional: true }],
      open: false,
    },
    ShutdownEvent: {
      kind: 'object',
      members: [
        { name: 'guest', type: { kind: 'boolean' }, optional: false },
        { name: 'reason', type: { kind: 'named', name: 'ShutdownCause' }, optional: false },
      ],
      open: false,
    },
    ResetEvent: {
      kind: 'object',
      members: [
        { name: 'guest', type: { kind: 'boolean' }, optional: false },
        { name: 'reason', type: { kind: 'named', name: 'ShutdownCause' }, optional: false },
      ],
      open: false,
    },
    YankInstance: {
      kind: 'union',
      tag: 'type',
      members: [{ name: 'type', type: { kind: 'named', name: 'YankInstanceType' }, optional: false }],
      variants: [
        { case: 'block-node', members: [{ name: 'node-name', type: { kind: 'string' }, optional: false }] },
        { case: 'chardev', members: [{ name: 'id', type: { kind: 'string' }, optional: false }] },
        { case: 'migration', members: [] },
      ],
    },
    YankInstanceType: { kind: 'enum', values: ['block-node', 'chardev', 'migration'] },
    MigrateRecoverArguments: {
      kind: 'object',
      members: [{ name: 'uri', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    YankArguments: {
      kind: 'object',
      members: [
        { name: 'instances', type: { kind: 'array', items: { kind: 'named', name: 'YankInstance' } }, optional: false },
      ],
      open: false,
    },
    ObjectPropertyInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'type', type: { kind: 'string' }, optional: false },
        { name: 'description', type: { kind: 'string' }, optional: true },
        { name: 'default-value', type: { kind: 'any' }, optional: true },
      ],
      open: false,
    },
    ObjectTypeInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'abstract', type: { kind: 'boolean' }, optional: true },
        { name: 'parent', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    ObjectType: {
      kind: 'enum',
      values: [
        'host-function',
        'host-iommu',
        'iommufd',
        'iothread',
        'memory-backend-file',
        'memory-backend-memfd',
        'memory-backend-ram',
        'thread-context',
      ],
    },
    HostMemPolicy: { kind: 'enum', values: ['default', 'preferred', 'bind', 'interleave'] },
    Memdev: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'string' }, optional: true },
        { name: 'size', type: { kind: 'integer', format: 'size' }, optional: false },
        { name: 'merge', type: { kind: 'boolean' }, optional: false },
        { name: 'dump', type: { kind: 'boolean' }, optional: false },
        { name: 'prealloc', type: { kind: 'boolean' }, optional: false },
        { name: 'share', type: { kind: 'boolean' }, optional: false },
        { name: 'reserve', type: { kind: 'boolean' }, optional: true },
        {
          name: 'host-nodes',
          type: { kind: 'array', items: { kind: 'integer', minimum: 0, maximum: 9007199254740991 } },
          optional: false,
        },
        { name: 'policy', type: { kind: 'named', name: 'HostMemPolicy' }, optional: false },
      ],
      open: false,
    },
    IOThreadInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'string' }, optional: false },
        {
          name: 'thread-id',
          type: { kind: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
          optional: false,
        },
        { name: 'poll-max-ns', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'poll-grow', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'poll-shrink', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'aio-max-batch', type: { kind: 'integer', format: 'int64' }, optional: false },
      ],
      open: false,
    },
    QomListArguments: {
      kind: 'object',
      members: [{ name: 'path', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    QomGetArguments: {
      kind: 'object',
      members: [
        { name: 'path', type: { kind: 'string' }, optional: false },
        { name: 'property', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    QomSetArguments: {
      kind: 'object',
      members: [
        { name: 'path', type: { kind: 'string' }, optional: false },
        { name: 'property', type: { kind: 'string' }, optional: false },
        { name: 'value', type: { kind: 'any' }, optional: false },
      ],
      open: false,
    },
    QomListTypesArguments: {
      kind: 'object',
      members: [
        { name: 'implements', type: { kind: 'string' }, optional: true },
        { name: 'abstract', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    QomListPropertiesArguments: {
      kind: 'object',
      members: [{ name: 'typename', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    ObjectAddArguments: {
      kind: 'object',
      members: [
        { name: 'qom-type', type: { kind: 'named', name: 'ObjectType' }, optional: false },
        { name: 'id', type: { kind: 'string' }, optional: false },
      ],
      open: true,
    },
    ObjectDelArguments: {
      kind: 'object',
      members: [{ name: 'id', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    DeviceListPropertiesArguments: {
      kind: 'object',
      members: [{ name: 'typename', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    DeviceAddArguments: {
      kind: 'object',
      members: [
        { name: 'driver', type: { kind: 'string' }, optional: false },
        { name: 'bus', type: { kind: 'string' }, optional: true },
        { name: 'id', type: { kind: 'string' }, optional: true },
      ],
      open: true,
    },
    DeviceDelArguments: {
      kind: 'object',
      members: [{ name: 'id', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    DeviceDeletedEvent: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'path', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    PciMemoryRange: {
      kind: 'object',
      members: [
        { name: 'base', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'limit', type: { kind: 'integer', format: 'int64' }, optional: false },
      ],
      open: false,
    },
    PciMemoryRegion: {
      kind: 'object',
      members: [
        { name: 'bar', type: { kind: 'integer', minimum: 0, maximum: 6 }, optional: false },
        { name: 'type', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'prefetch', type: { kind: 'boolean' }, optional: true },
        { name: 'mem_type_64', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    PciBusInfo: {
      kind: 'object',
      members: [
        { name: 'number', type: { kind: 'integer', minimum: 0, maximum: 255 }, optional: false },
        { name: 'secondary', type: { kind: 'integer', minimum: 0, maximum: 255 }, optional: false },
        { name: 'subordinate', type: { kind: 'integer', minimum: 0, maximum: 255 }, optional: false },
        { name: 'io_range', type: { kind: 'named', name: 'PciMemoryRange' }, optional: false },
        { name: 'memory_range', type: { kind: 'named', name: 'PciMemoryRange' }, optional: false },
        { name: 'prefetchable_range', type: { kind: 'named', name: 'PciMemoryRange' }, optional: false },
      ],
      open: false,
    },
    PciBridgeInfo: {
      kind: 'object',
      members: [
        { name: 'bus', type: { kind: 'named', name: 'PciBusInfo' }, optional: false },
        { name: 'devices', type: { kind: 'array', items: { kind: 'named', name: 'PciDeviceInfo' } }, optional: true },
      ],
      open: false,
    },
    PciDeviceClass: {
      kind: 'object',
      members: [
        { name: 'desc', type: { kind: 'string' }, optional: true },
        { name: 'class', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: false },
      ],
      open: false,
    },
    PciDeviceId: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: false },
        { name: 'vendor', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: false },
        { name: 'subsystem', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
        { name: 'subsystem-vendor', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
      ],
      open: false,
    },
    PciDeviceInfo: {
      kind: 'object',
      members: [
        { name: 'bus', type: { kind: 'integer', minimum: 0, maximum: 255 }, optional: false },
        { name: 'slot', type: { kind: 'integer', minimum: 0, maximum: 31 }, optional: false },
        { name: 'function', type: { kind: 'integer', minimum: 0, maximum: 7 }, optional: false },
        { name: 'class_info', type: { kind: 'named', name: 'PciDeviceClass' }, optional: false },
        { name: 'id', type: { kind: 'named', name: 'PciDeviceId' }, optional: false },
        { name: 'irq', type: { kind: 'integer', minimum: 0, maximum: 255 }, optional: true },
        { name: 'irq_pin', type: { kind: 'integer', minimum: 0, maximum: 4 }, optional: false },
        { name: 'qdev_id', type: { kind: 'string' }, optional: false },
        { name: 'pci_bridge', type: { kind: 'named', name: 'PciBridgeInfo' }, optional: true },
        {
          name: 'regions',
          type: { kind: 'array', items: { kind: 'named', name: 'PciMemoryRegion' } },
          optional: false,
        },
      ],
      open: false,
    },
    PciInfo: {
      kind: 'object',
      members: [
        { name: 'bus', type: { kind: 'integer', minimum: 0, maximum: 255 }, optional: false },
        { name: 'devices', type: { kind: 'array', items: { kind: 'named', name: 'PciDeviceInfo' } }, optional: false },
      ],
      open: false,
    },
    RegionKind: { kind: 'enum', values: ['container', 'ram', 'rom', 'mmio', 'iommu', 'alias', 'reservation'] },
    RegionAlias: {
      kind: 'object',
      members: [
        { name: 'region', type: { kind: 'string' }, optional: false },
        { name: 'offset', type: { kind: 'integer', format: 'uint64' }, optional: false },
      ],
      open: false,
    },
    MemoryRegionInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'RegionKind' }, optional: false },
        { name: 'start', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'last', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'priority', type: { kind: 'integer', minimum: -2147483648, maximum: 2147483647 }, optional: false },
        { name: 'enabled', type: { kind: 'boolean' }, optional: false },
        { name: 'alias', type: { kind: 'named', name: 'RegionAlias' }, optional: true },
        {
          name: 'children',
          type: { kind: 'array', items: { kind: 'named', name: 'MemoryRegionInfo' } },
          optional: false,
        },
      ],
      open: false,
    },
    AddressSpaceInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'iommu', type: { kind: 'string' }, optional: true },
        { name: 'root', type: { kind: 'named', name: 'MemoryRegionInfo' }, optional: false },
      ],
      open: false,
    },
    FlatRange: {
      kind: 'object',
      members: [
        { name: 'start', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'last', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'region', type: { kind: 'string' }, optional: false },
        { name: 'offset', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'RegionKind' }, optional: false },
        { name: 'readonly', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    HiddenRange: {
      kind: 'object',
      members: [
        { name: 'region', type: { kind: 'string' }, optional: false },
        { name: 'start', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'last', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'by', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    QueryAddressSpacesReturn: {
      kind: 'object',
      members: [
        {
          name: 'address-spaces',
          type: { kind: 'array', items: { kind: 'named', name: 'AddressSpaceInfo' } },
          optional: false,
        },
      ],
      open: false,
    },
    QueryFlatViewArguments: {
      kind: 'object',
      members: [{ name: 'address-space', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    QueryFlatViewReturn: {
      kind: 'object',
      members: [
        { name: 'ranges', type: { kind: 'array', items: { kind: 'named', name: 'FlatRange' } }, optional: false },
        { name: 'hidden', type: { kind: 'array', items: { kind: 'named', name: 'HiddenRange' } }, optional: false },
      ],
      open: false,
    },
    MemoryReadArguments: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'address-space', type: { kind: 'string' }, optional: true },
        { name: 'encoding', type: { kind: 'named', name: 'Encoding' }, optional: true },
      ],
      open: false,
    },
    MemoryReadReturn: {
      kind: 'object',
      members: [{ name: 'data', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    MemoryWriteArguments: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'data', type: { kind: 'string' }, optional: false },
        { name: 'address-space', type: { kind: 'string' }, optional: true },
        { name: 'encoding', type: { kind: 'named', name: 'Encoding' }, optional: true },
      ],
      open: false,
    },
    PmemsaveArguments: {
      kind: 'object',
      members: [
        { name: 'val', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'int64' }, optional: false },
        { name: 'filename', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    PasidTableFormat: { kind: 'enum', values: ['vtd-scalable', 'vtd-ecs', 'amd-gcr3'] },
    FlushGranularity: { kind: 'enum', values: ['global', 'domain', 'pasid', 'page'] },
    PasidCacheGranularity: { kind: 'enum', values: ['global', 'domain', 'pasid'] },
    BypassMode: { kind: 'enum', values: ['auto', 'bypass', 'translate'] },
    IommuMode: { kind: 'enum', values: ['off', 'legacy', 'scalable', 'ecs', 'other'] },
    RegisterValue: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'value', type: { kind: 'integer', format: 'uint64' }, optional: false },
      ],
      open: false,
    },
    IommuCapabilities: {
      kind: 'object',
      members: [
        { name: 'aw-bits', type: { kind: 'integer', minimum: 0, maximum: 64 }, optional: false },
        { name: 'pasid-bits', type: { kind: 'integer', minimum: 0, maximum: 20 }, optional: false },
        { name: 'first-stage', type: { kind: 'boolean' }, optional: false },
        { name: 'second-stage', type: { kind: 'boolean' }, optional: false },
        { name: 'nested', type: { kind: 'boolean' }, optional: false },
        { name: 'caching-mode', type: { kind: 'boolean' }, optional: false },
        { name: 'device-iotlb', type: { kind: 'boolean' }, optional: false },
        { name: 'page-requests', type: { kind: 'boolean' }, optional: false },
        {
          name: 'registers',
          type: { kind: 'array', items: { kind: 'named', name: 'RegisterValue' } },
          optional: false,
        },
      ],
      open: false,
    },
    PasidTableBinding: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'format', type: { kind: 'named', name: 'PasidTableFormat' }, optional: false },
        { name: 'origin', type: { kind: 'named', name: 'Origin' }, optional: false },
      ],
      open: false,
    },
    IommuDeviceInfo: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'bdf', type: { kind: 'string' }, optional: false },
        { name: 'bypass', type: { kind: 'boolean' }, optional: false },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
        { name: 'binding', type: { kind: 'named', name: 'PasidTableBinding' }, optional: true },
      ],
      open: false,
    },
    IommuInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'string' }, optional: false },
        { name: 'kind', type: { kind: 'string' }, optional: false },
        { name: 'qom-path', type: { kind: 'string' }, optional: false },
        { name: 'mode', type: { kind: 'named', name: 'IommuMode' }, optional: false },
        { name: 'capabilities', type: { kind: 'named', name: 'IommuCapabilities' }, optional: false },
        {
          name: 'devices',
          type: { kind: 'array', items: { kind: 'named', name: 'IommuDeviceInfo' } },
          optional: false,
        },
        { name: 'caches', type: { kind: 'array', items: { kind: 'named', name: 'CacheInfo' } }, optional: false },
      ],
      open: false,
    },
    NotifierKind: { kind: 'enum', values: ['region', 'object'] },
    NotifierEvent: {
      kind: 'enum',
      values: ['map', 'unmap', 'deviotlb-unmap', 'bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'],
    },
    NotifierInfo: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'listener', type: { kind: 'string' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'NotifierKind' }, optional: false },
        { name: 'start', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'last', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'events', type: { kind: 'array', items: { kind: 'named', name: 'NotifierEvent' } }, optional: false },
        { name: 'delivered', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'failed', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    ListenersReturn: {
      kind: 'object',
      members: [
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
      ],
      open: false,
    },
    FlushReturn: {
      kind: 'object',
      members: [
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'dropped', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    FlushIotlbArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'granularity', type: { kind: 'named', name: 'FlushGranularity' }, optional: false },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: true },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: true },
        { name: 'leaf-only', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    IommuBindPasidTableArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: true },
        { name: 'format', type: { kind: 'named', name: 'PasidTableFormat' }, optional: true },
      ],
      open: false,
    },
    IommuBindPasidTableReturn: {
      kind: 'object',
      members: [
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'replaced', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    IommuUnbindPasidTableArguments: {
      kind: 'object',
      members: [{ name: 'device', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    IommuFlushPasidCacheArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'granularity', type: { kind: 'named', name: 'PasidCacheGranularity' }, optional: false },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
      ],
      open: false,
    },
    IommuFlushDeviceIotlbArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'all-pasids', type: { kind: 'boolean' }, optional: true },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: true },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: true },
      ],
      open: false,
    },
    IommuFlushDeviceIotlbReturn: {
      kind: 'object',
      members: [{ name: 'dropped', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false }],
      open: false,
    },
    IommuSetBypassArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'mode', type: { kind: 'named', name: 'BypassMode' }, optional: false },
      ],
      open: false,
    },
    QueryIommusReturn: {
      kind: 'object',
      members: [
        { name: 'iommus', type: { kind: 'array', items: { kind: 'named', name: 'IommuInfo' } }, optional: false },
      ],
      open: false,
    },
    QueryIommuNotifiersReturn: {
      kind: 'object',
      members: [
        { name: 'notifiers', type: { kind: 'array', items: { kind: 'named', name: 'NotifierInfo' } }, optional: false },
      ],
      open: false,
    },
    IommuPasidTableBoundEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'format', type: { kind: 'named', name: 'PasidTableFormat' }, optional: false },
        { name: 'replaced', type: { kind: 'boolean' }, optional: false },
        { name: 'origin', type: { kind: 'named', name: 'Origin' }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuPasidTableUnboundEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'format', type: { kind: 'named', name: 'PasidTableFormat' }, optional: false },
        { name: 'origin', type: { kind: 'named', name: 'Origin' }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuPasidTableBindFailedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'format', type: { kind: 'named', name: 'PasidTableFormat' }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'desc', type: { kind: 'string' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuPasidAttachedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: false },
        { name: 'page-table', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'replaced', type: { kind: 'boolean' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuPasidDetachedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: false },
        { name: 'page-table', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuIotlbFlushedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'granularity', type: { kind: 'named', name: 'FlushGranularity' }, optional: false },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'leaf-only', type: { kind: 'boolean' }, optional: false },
        { name: 'origin', type: { kind: 'named', name: 'Origin' }, optional: false },
        { name: 'dropped', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuPasidCacheFlushedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'granularity', type: { kind: 'named', name: 'PasidCacheGranularity' }, optional: false },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: true },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'origin', type: { kind: 'named', name: 'Origin' }, optional: false },
        { name: 'dropped', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuDeviceIotlbFlushedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'all-pasids', type: { kind: 'boolean' }, optional: true },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'last', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'origin', type: { kind: 'named', name: 'Origin' }, optional: false },
        { name: 'dropped', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuRegionSwitchedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'bypass', type: { kind: 'boolean' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    TranslateVia: { kind: 'enum', values: ['viommu', 'host'] },
    TranslationSource: { kind: 'enum', values: ['device', 'iotlb', 'walk', 'bypass'] },
    FaultReason: {
      kind: 'enum',
      values: [
        'no-pasid-table',
        'root-not-present',
        'context-not-present',
        'context-invalid',
        'address-beyond-width',
        'write-not-permitted',
        'read-not-permitted',
        'second-stage-table-unreachable',
        'root-table-unreachable',
        'context-table-unreachable',
        'root-reserved',
        'context-reserved',
        'second-stage-reserved',
        'request-blocked',
        'output-in-interrupt-range',
        'interrupt-request-reserved',
        'interrupt-index-out-of-range',
        'interrupt-entry-not-present',
        'interrupt-table-unreachable',
        'interrupt-entry-reserved',
        'compatibility-interrupt-blocked',
        'interrupt-source-not-permitted',
        'translation-mode-blocks-request',
        'pasid-out-of-range',
        'page-requests-disabled',
        'pasid-directory-unreachable',
        'pasid-directory-entry-not-present',
        'pasid-table-unreachable',
        'pasid-entry-not-present',
        'pasid-entry-invalid',
        'first-stage-table-unreachable',
        'first-stage-not-present',
        'first-stage-reserved',
        'first-stage-root-unreachable',
        'accessed-dirty-write-failed',
        'not-mapped',
        'address-not-canonical',
        'supervisor-page',
        'execute-not-permitted',
        'first-stage-write-not-permitted',
      ],
    },
    TranslationStage: { kind: 'enum', values: ['first', 'second'] },
    EntryField: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'value', type: { kind: 'integer', format: 'uint64' }, optional: false },
      ],
      open: false,
    },
    TranslationStep: {
      kind: 'object',
      members: [
        { name: 'stage', type: { kind: 'named', name: 'TranslationStage' }, optional: false },
        { name: 'structure', type: { kind: 'string' }, optional: false },
        { name: 'level', type: { kind: 'integer', minimum: 1, maximum: 6 }, optional: true },
        { name: 'index', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'raw', type: { kind: 'array', items: { kind: 'integer', format: 'uint64' } }, optional: false },
        { name: 'fields', type: { kind: 'array', items: { kind: 'named', name: 'EntryField' } }, optional: false },
        { name: 'spec', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    TranslationResult: {
      kind: 'union',
      tag: 'result',
      members: [{ name: 'result', type: { kind: 'named', name: 'TranslationResultResult' }, optional: false }],
      variants: [
        {
          case: 'translated',
          members: [
            { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
            { name: 'gpa', type: { kind: 'integer', format: 'uint64' }, optional: true },
            { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
            {
              name: 'permissions',
              type: { kind: 'array', items: { kind: 'named', name: 'Permission' } },
              optional: false,
            },
            { name: 'source', type: { kind: 'named', name: 'TranslationSource' }, optional: false },
            {
              name: 'steps',
              type: { kind: 'array', items: { kind: 'named', name: 'TranslationStep' } },
              optional: true,
            },
          ],
        },
        {
          case: 'fault',
          members: [
            { name: 'code', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
            { name: 'reason', type: { kind: 'named', name: 'FaultReason' }, optional: false },
            { name: 'desc', type: { kind: 'string' }, optional: false },
            {
              name: 'steps',
              type: { kind: 'array', items: { kind: 'named', name: 'TranslationStep' } },
              optional: true,
            },
          ],
        },
      ],
    },
    TranslationResultResult: { kind: 'enum', values: ['translated', 'fault'] },
    IotlbSide: { kind: 'enum', values: ['viommu', 'host'] },
    IotlbStage: { kind: 'enum', values: ['first', 'second', 'nested'] },
    IotlbEntry: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'gpa', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'permissions', type: { kind: 'array', items: { kind: 'named', name: 'Permission' } }, optional: false },
        { name: 'stage', type: { kind: 'named', name: 'IotlbStage' }, optional: false },
        { name: 'level', type: { kind: 'integer', minimum: 1, maximum: 6 }, optional: false },
        { name: 'stale', type: { kind: 'boolean' }, optional: false },
        { name: 'cache', type: { kind: 'named', name: 'HostCache' }, optional: true },
      ],
      open: false,
    },
    IommuTranslateArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'access', type: { kind: 'named', name: 'Access' }, optional: true },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'via', type: { kind: 'named', name: 'TranslateVia' }, optional: true },
        { name: 'explain', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    QueryIotlbArguments: {
      kind: 'object',
      members: [
        { name: 'side', type: { kind: 'named', name: 'IotlbSide' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'start', type: { kind: 'named', name: 'Address' }, optional: true },
        { name: 'limit', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
      ],
      open: false,
    },
    QueryIotlbReturn: {
      kind: 'object',
      members: [
        { name: 'entries', type: { kind: 'array', items: { kind: 'named', name: 'IotlbEntry' } }, optional: false },
        { name: 'next', type: { kind: 'integer', format: 'uint64' }, optional: true },
      ],
      open: false,
    },
    IommuFaultEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'access', type: { kind: 'named', name: 'Access' }, optional: false },
        { name: 'code', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'reason', type: { kind: 'named', name: 'FaultReason' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    PageResponse: { kind: 'enum', values: ['success', 'invalid', 'failure'] },
    PageRequestGroup: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'group', type: { kind: 'integer', minimum: 0, maximum: 511 }, optional: false },
        { name: 'access', type: { kind: 'named', name: 'Access' }, optional: false },
        { name: 'addresses', type: { kind: 'array', items: { kind: 'integer', format: 'uint64' } }, optional: false },
        { name: 'transfers', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    QueryPageRequestsReturn: {
      kind: 'object',
      members: [
        {
          name: 'groups',
          type: { kind: 'array', items: { kind: 'named', name: 'PageRequestGroup' } },
          optional: false,
        },
      ],
      open: false,
    },
    PageResponseArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'group', type: { kind: 'integer', minimum: 0, maximum: 511 }, optional: false },
        { name: 'response', type: { kind: 'named', name: 'PageResponse' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
      ],
      open: false,
    },
    IommuPageRequestEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'group', type: { kind: 'integer', minimum: 0, maximum: 511 }, optional: false },
        { name: 'last', type: { kind: 'boolean' }, optional: false },
        { name: 'access', type: { kind: 'array', items: { kind: 'named', name: 'Access' } }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuMapping: {
      kind: 'object',
      members: [
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'permissions', type: { kind: 'array', items: { kind: 'named', name: 'Permission' } }, optional: false },
        { name: 'page-size', type: { kind: 'integer', format: 'uint64' }, optional: false },
      ],
      open: false,
    },
    ReverseSpace: { kind: 'enum', values: ['guest', 'host'] },
    AddressUser: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'permissions', type: { kind: 'array', items: { kind: 'named', name: 'Permission' } }, optional: false },
      ],
      open: false,
    },
    IommuReverseTranslateArguments: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'space', type: { kind: 'named', name: 'ReverseSpace' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'limit', type: { kind: 'integer', minimum: 1, maximum: 10000 }, optional: true },
      ],
      open: false,
    },
    IommuReverseTranslateReturn: {
      kind: 'object',
      members: [
        { name: 'users', type: { kind: 'array', items: { kind: 'named', name: 'AddressUser' } }, optional: false },
        { name: 'complete', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    QueryIommuMappingsArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'start', type: { kind: 'named', name: 'Address' }, optional: true },
        { name: 'limit', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
      ],
      open: false,
    },
    QueryIommuMappingsReturn: {
      kind: 'object',
      members: [
        { name: 'mappings', type: { kind: 'array', items: { kind: 'named', name: 'IommuMapping' } }, optional: false },
        { name: 'next', type: { kind: 'integer', format: 'uint64' }, optional: true },
      ],
      open: false,
    },
    IommuMappedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'permissions', type: { kind: 'array', items: { kind: 'named', name: 'Permission' } }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    IommuUnmappedEvent: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'ListenerStatus' } },
          optional: false,
        },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    GuestMode: { kind: 'enum', values: ['legacy', 'scalable', 'ecs'] },
    TableRange: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: false },
      ],
      open: false,
    },
    TableRangeInfo: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
      ],
      open: false,
    },
    GuestIommuEnableArguments: {
      kind: 'object',
      members: [
        { name: 'iommu', type: { kind: 'string' }, optional: true },
        { name: 'mode', type: { kind: 'named', name: 'GuestMode' }, optional: false },
        { name: 'tables', type: { kind: 'named', name: 'TableRange' }, optional: true },
      ],
      open: false,
    },
    GuestIommuEnableReturn: {
      kind: 'object',
      members: [{ name: 'tables', type: { kind: 'named', name: 'TableRangeInfo' }, optional: false }],
      open: false,
    },
    GuestDmaMapArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'iova', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'permissions', type: { kind: 'array', items: { kind: 'named', name: 'Permission' } }, optional: true },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
      ],
      open: false,
    },
    GuestDmaUnmapArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'iova', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'flush', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    GuestSvmBindArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: false },
        { name: 'page-table', type: { kind: 'named', name: 'Address' }, optional: false },
      ],
      open: false,
    },
    GuestSvmUnbindArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: false },
        { name: 'flush', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    VfioContract: { kind: 'enum', values: ['pasid-table', 'iommufd'] },
    VfioGroupInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'devices', type: { kind: 'array', items: { kind: 'string' } }, optional: false },
      ],
      open: false,
    },
    VfioListenerInfo: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'NotifierKind' }, optional: false },
      ],
      open: false,
    },
    VfioContainerInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'contract', type: { kind: 'named', name: 'VfioContract' }, optional: false },
        { name: 'iommufd', type: { kind: 'string' }, optional: true },
        { name: 'groups', type: { kind: 'array', items: { kind: 'named', name: 'VfioGroupInfo' } }, optional: false },
        { name: 'mappings', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        {
          name: 'listeners',
          type: { kind: 'array', items: { kind: 'named', name: 'VfioListenerInfo' } },
          optional: false,
        },
      ],
      open: false,
    },
    QueryVfioReturn: {
      kind: 'object',
      members: [
        {
          name: 'containers',
          type: { kind: 'array', items: { kind: 'named', name: 'VfioContainerInfo' } },
          optional: false,
        },
      ],
      open: false,
    },
    VfioDmaMappedEvent: {
      kind: 'object',
      members: [
        { name: 'container', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'gpa', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'readonly', type: { kind: 'boolean' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    VfioDmaUnmappedEvent: {
      kind: 'object',
      members: [
        { name: 'container', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'iova', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    HostIommuCapabilities: {
      kind: 'object',
      members: [
        { name: 'address-bits', type: { kind: 'integer', minimum: 0, maximum: 64 }, optional: false },
        { name: 'page-sizes', type: { kind: 'array', items: { kind: 'integer', format: 'size' } }, optional: false },
        { name: 'pasid-bits', type: { kind: 'integer', minimum: 0, maximum: 20 }, optional: false },
        { name: 'nesting', type: { kind: 'boolean' }, optional: false },
        {
          name: 'formats',
          type: { kind: 'array', items: { kind: 'named', name: 'PasidTableFormat' } },
          optional: false,
        },
        { name: 'ats', type: { kind: 'boolean' }, optional: false },
        { name: 'page-requests', type: { kind: 'boolean' }, optional: false },
        { name: 'dirty-tracking', type: { kind: 'boolean' }, optional: false },
        { name: 'coherency', type: { kind: 'boolean' }, optional: false },
        { name: 'errata-772415', type: { kind: 'boolean' }, optional: false },
        { name: 'max-page-tables', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    HostFunctionInfo: {
      kind: 'object',
      members: [
        { name: 'bdf', type: { kind: 'string' }, optional: false },
        { name: 'group', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: true },
        { name: 'physical-function', type: { kind: 'string' }, optional: true },
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'pasid-bits', type: { kind: 'integer', minimum: 0, maximum: 20 }, optional: false },
        { name: 'ats', type: { kind: 'boolean' }, optional: false },
        { name: 'page-requests', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    HostPageTableKind: { kind: 'enum', values: ['second-stage', 'nested'] },
    HostPageTableInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'HostPageTableKind' }, optional: false },
        { name: 'parent', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: true },
        { name: 'devices', type: { kind: 'array', items: { kind: 'string' } }, optional: false },
        {
          name: 'pasids',
          type: { kind: 'array', items: { kind: 'integer', minimum: 0, maximum: 1048575 } },
          optional: true,
        },
      ],
      open: false,
    },
    HostCache: { kind: 'enum', values: ['context', 'pasid', 'iotlb', 'device'] },
    HostTranslation: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'gpa', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'permissions', type: { kind: 'array', items: { kind: 'named', name: 'Permission' } }, optional: false },
      ],
      open: false,
    },
    MissingInvalidation: {
      kind: 'object',
      members: [
        { name: 'granularity', type: { kind: 'named', name: 'FlushGranularity' }, optional: false },
        { name: 'domain-id', type: { kind: 'integer', minimum: 0, maximum: 65535 }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'size', type: { kind: 'integer', format: 'uint64' }, optional: true },
      ],
      open: false,
    },
    TableWrite: {
      kind: 'object',
      members: [
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'was', type: { kind: 'integer', format: 'uint64' }, optional: true },
        { name: 'is', type: { kind: 'integer', format: 'uint64' }, optional: false },
      ],
      open: false,
    },
    DmaStatus: { kind: 'enum', values: ['ok', 'error'] },
    QueryHostIommuReturn: {
      kind: 'object',
      members: [
        { name: 'capabilities', type: { kind: 'named', name: 'HostIommuCapabilities' }, optional: false },
        {
          name: 'functions',
          type: { kind: 'array', items: { kind: 'named', name: 'HostFunctionInfo' } },
          optional: false,
        },
        {
          name: 'page-tables',
          type: { kind: 'array', items: { kind: 'named', name: 'HostPageTableInfo' } },
          optional: false,
        },
        { name: 'caches', type: { kind: 'array', items: { kind: 'named', name: 'CacheInfo' } }, optional: false },
      ],
      open: false,
    },
    DmaReadArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'size', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'encoding', type: { kind: 'named', name: 'Encoding' }, optional: true },
        { name: 'wait', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    DmaReadReturn: {
      kind: 'object',
      members: [
        { name: 'data', type: { kind: 'string' }, optional: true },
        { name: 'dma', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
      ],
      open: false,
    },
    DmaWriteArguments: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'address', type: { kind: 'named', name: 'Address' }, optional: false },
        { name: 'data', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'encoding', type: { kind: 'named', name: 'Encoding' }, optional: true },
        { name: 'wait', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    DmaWriteReturn: {
      kind: 'object',
      members: [{ name: 'dma', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true }],
      open: false,
    },
    HostStaleTranslationEvent: {
      kind: 'object',
      members: [
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'pasid', type: { kind: 'integer', minimum: 0, maximum: 1048575 }, optional: true },
        { name: 'address', type: { kind: 'integer', format: 'uint64' }, optional: false },
        { name: 'access', type: { kind: 'named', name: 'Access' }, optional: false },
        { name: 'cache', type: { kind: 'named', name: 'HostCache' }, optional: false },
        { name: 'cached', type: { kind: 'named', name: 'HostTranslation' }, optional: false },
        { name: 'current', type: { kind: 'named', name: 'HostTranslation' }, optional: true },
        { name: 'since', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'write', type: { kind: 'named', name: 'TableWrite' }, optional: true },
        { name: 'missing', type: { kind: 'named', name: 'MissingInvalidation' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    DmaCompletedEvent: {
      kind: 'object',
      members: [
        { name: 'dma', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: false },
        { name: 'status', type: { kind: 'named', name: 'DmaStatus' }, optional: false },
        { name: 'data', type: { kind: 'string' }, optional: true },
        { name: 'desc', type: { kind: 'string' }, optional: true },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    CheckName: {
      kind: 'enum',
      values: [
        'stale-translation',
        'mapping-survives-invalidation',
        'bad-unmap',
        'transient-empty-table',
        'layout-after-reset',
        'dead-notifier',
        'host-capabilities',
        'page-response-once',
        'flush-scope',
        'over-flush',
        'isolation',
      ],
    },
    FaultPoint: {
      kind: 'enum',
      values: ['map', 'unmap', 'bind', 'attach', 'detach', 'invalidate', 'listener', 'page-response'],
    },
    FaultKind: { kind: 'enum', values: ['fail', 'lose', 'delay', 'reorder'] },
    ModelCheck: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'named', name: 'CheckName' }, optional: false },
        { name: 'enabled', type: { kind: 'boolean' }, optional: false },
        { name: 'stop', type: { kind: 'boolean' }, optional: false },
        { name: 'violations', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'last', type: { kind: 'named', name: 'CheckViolation' }, optional: true },
      ],
      open: false,
    },
    CheckViolation: {
      kind: 'object',
      members: [
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'desc', type: { kind: 'string' }, optional: false },
      ],
      open: false,
    },
    BreakInfo: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'string' }, optional: false },
        { name: 'event', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    InjectedFault: {
      kind: 'object',
      members: [
        { name: 'id', type: { kind: 'string' }, optional: false },
        { name: 'point', type: { kind: 'named', name: 'FaultPoint' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'FaultKind' }, optional: false },
        { name: 'after', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'count', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'delay-ms', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
        { name: 'seed', type: { kind: 'integer', minimum: 0, maximum: 4294967295 }, optional: true },
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'hits', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
    TraceEventState: { kind: 'enum', values: ['unavailable', 'disabled', 'enabled'] },
    TraceEventInfo: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'vcpu', type: { kind: 'boolean' }, optional: false },
        { name: 'state', type: { kind: 'named', name: 'TraceEventState' }, optional: false },
      ],
      open: false,
    },
    EventTimestamp: {
      kind: 'object',
      members: [
        { name: 'seconds', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
        { name: 'microseconds', type: { kind: 'integer', minimum: 0, maximum: 999999 }, optional: false },
      ],
      open: false,
    },
    LoggedEvent: {
      kind: 'object',
      members: [
        { name: 'timestamp', type: { kind: 'named', name: 'EventTimestamp' }, optional: false },
        { name: 'event', type: { kind: 'string' }, optional: false },
        { name: 'data', type: { kind: 'any' }, optional: false },
      ],
      open: false,
    },
    TraceEventGetStateArguments: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'vcpu', type: { kind: 'integer', format: 'int64' }, optional: true },
      ],
      open: false,
    },
    TraceEventSetStateArguments: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'string' }, optional: false },
        { name: 'enable', type: { kind: 'boolean' }, optional: false },
        { name: 'ignore-unavailable', type: { kind: 'boolean' }, optional: true },
        { name: 'vcpu', type: { kind: 'integer', format: 'int64' }, optional: true },
      ],
      open: false,
    },
    QueryEventLogArguments: {
      kind: 'object',
      members: [
        { name: 'since', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
        { name: 'limit', type: { kind: 'integer', minimum: 1, maximum: 10000 }, optional: true },
      ],
      open: false,
    },
    QueryEventLogReturn: {
      kind: 'object',
      members: [
        { name: 'events', type: { kind: 'array', items: { kind: 'named', name: 'LoggedEvent' } }, optional: false },
        { name: 'next', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'lost', type: { kind: 'boolean' }, optional: false },
      ],
      open: false,
    },
    QueryChecksReturn: {
      kind: 'object',
      members: [
        { name: 'checks', type: { kind: 'array', items: { kind: 'named', name: 'ModelCheck' } }, optional: false },
      ],
      open: false,
    },
    SetCheckArguments: {
      kind: 'object',
      members: [
        { name: 'name', type: { kind: 'named', name: 'CheckName' }, optional: false },
        { name: 'enabled', type: { kind: 'boolean' }, optional: true },
        { name: 'stop', type: { kind: 'boolean' }, optional: true },
      ],
      open: false,
    },
    BreakAddArguments: {
      kind: 'object',
      members: [
        { name: 'event', type: { kind: 'string' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    BreakAddReturn: {
      kind: 'object',
      members: [{ name: 'id', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    BreakRemoveArguments: {
      kind: 'object',
      members: [{ name: 'id', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    QueryBreaksReturn: {
      kind: 'object',
      members: [
        { name: 'breaks', type: { kind: 'array', items: { kind: 'named', name: 'BreakInfo' } }, optional: false },
      ],
      open: false,
    },
    FaultInjectArguments: {
      kind: 'object',
      members: [
        { name: 'point', type: { kind: 'named', name: 'FaultPoint' }, optional: false },
        { name: 'kind', type: { kind: 'named', name: 'FaultKind' }, optional: false },
        { name: 'after', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: true },
        { name: 'count', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
        { name: 'delay-ms', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: true },
        { name: 'seed', type: { kind: 'integer', minimum: 0, maximum: 4294967295 }, optional: true },
        { name: 'device', type: { kind: 'string' }, optional: true },
      ],
      open: false,
    },
    FaultInjectReturn: {
      kind: 'object',
      members: [{ name: 'id', type: { kind: 'string' }, optional: false }],
      open: false,
    },
    QueryFaultsInjectedReturn: {
      kind: 'object',
      members: [
        { name: 'faults', type: { kind: 'array', items: { kind: 'named', name: 'InjectedFault' } }, optional: false },
      ],
      open: false,
    },
    FaultClearArguments: {
      kind: 'object',
      members: [{ name: 'id', type: { kind: 'string' }, optional: true }],
      open: false,
    },
    ModelCheckFailedEvent: {
      kind: 'object',
      members: [
        { name: 'check', type: { kind: 'named', name: 'CheckName' }, optional: false },
        { name: 'device', type: { kind: 'string' }, optional: true },
        { name: 'desc', type: { kind: 'string' }, optional: false },
        { name: 'sequence', type: { kind: 'integer', minimum: 1, maximum: 9007199254740991 }, optional: false },
        { name: 'operation', type: { kind: 'integer', minimum: 0, maximum: 9007199254740991 }, optional: false },
      ],
      open: false,
    },
  },
  commands: {
    qmp_capabilities: { arguments: 'QmpCapabilitiesArguments', allowOob: false, features: [], unchecked: false },
    'query-version': {
      returns: { kind: 'named', name: 'VersionInfo' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-commands': {
      returns: { kind: 'array', items: { kind: 'named', name: 'CommandInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-qmp-schema': {
      returns: { kind: 'array', items: { kind: 'named', name: 'SchemaInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-clients': {
      returns: { kind: 'named', name: 'QueryClientsReturn' },
      allowOob: true,
      features: [],
      unchecked: false,
    },
    'set-event-filter': { arguments: 'SetEventFilterArguments', allowOob: true, features: [], unchecked: false },
    batch: {
      arguments: 'BatchArguments',
      returns: { kind: 'named', name: 'BatchReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'human-monitor-command': {
      arguments: 'HumanMonitorCommandArguments',
      returns: { kind: 'string' },
      allowOob: false,
      features: ['savevm-monitor-nodes'],
      unchecked: false,
    },
    'query-chardev': {
      returns: { kind: 'array', items: { kind: 'named', name: 'ChardevInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-status': { returns: { kind: 'named', name: 'StatusInfo' }, allowOob: false, features: [], unchecked: false },
    'query-name': { returns: { kind: 'named', name: 'NameInfo' }, allowOob: false, features: [], unchecked: false },
    'query-uuid': { returns: { kind: 'named', name: 'UuidInfo' }, allowOob: false, features: [], unchecked: false },
    'query-target': { returns: { kind: 'named', name: 'TargetInfo' }, allowOob: false, features: [], unchecked: false },
    'query-kvm': { returns: { kind: 'named', name: 'KvmInfo' }, allowOob: false, features: [], unchecked: false },
    'query-memory-size-summary': {
      returns: { kind: 'named', name: 'MemoryInfo' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    stop: { allowOob: false, features: [], unchecked: false },
    cont: { allowOob: false, features: [], unchecked: false },
    system_reset: { allowOob: false, features: [], unchecked: false },
    system_powerdown: { allowOob: false, features: [], unchecked: false },
    quit: { allowOob: false, features: [], unchecked: false },
    'query-machines': {
      returns: { kind: 'array', items: { kind: 'named', name: 'MachineInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-cpu-definitions': {
      returns: { kind: 'array', items: { kind: 'named', name: 'CpuDefinitionInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-cpu-model-expansion': {
      arguments: 'QueryCpuModelExpansionArguments',
      returns: { kind: 'named', name: 'QueryCpuModelExpansionReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-sev-capabilities': {
      returns: { kind: 'named', name: 'QuerySevCapabilitiesReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-sgx-capabilities': {
      returns: { kind: 'named', name: 'QuerySgxCapabilitiesReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-command-line-options': {
      arguments: 'QueryCommandLineOptionsArguments',
      returns: { kind: 'array', items: { kind: 'named', name: 'CommandLineOptionInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'migrate-recover': { arguments: 'MigrateRecoverArguments', allowOob: true, features: [], unchecked: false },
    'migrate-pause': { allowOob: true, features: [], unchecked: false },
    yank: { arguments: 'YankArguments', allowOob: true, features: [], unchecked: false },
    'query-yank': {
      returns: { kind: 'array', items: { kind: 'named', name: 'YankInstance' } },
      allowOob: true,
      features: [],
      unchecked: false,
    },
    'qom-list': {
      arguments: 'QomListArguments',
      returns: { kind: 'array', items: { kind: 'named', name: 'ObjectPropertyInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'qom-get': {
      arguments: 'QomGetArguments',
      returns: { kind: 'any' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'qom-set': { arguments: 'QomSetArguments', allowOob: false, features: [], unchecked: false },
    'qom-list-types': {
      arguments: 'QomListTypesArguments',
      returns: { kind: 'array', items: { kind: 'named', name: 'ObjectTypeInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'qom-list-properties': {
      arguments: 'QomListPropertiesArguments',
      returns: { kind: 'array', items: { kind: 'named', name: 'ObjectPropertyInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'object-add': { arguments: 'ObjectAddArguments', allowOob: false, features: [], unchecked: false },
    'object-del': { arguments: 'ObjectDelArguments', allowOob: false, features: [], unchecked: false },
    'query-memdev': {
      returns: { kind: 'array', items: { kind: 'named', name: 'Memdev' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-iothreads': {
      returns: { kind: 'array', items: { kind: 'named', name: 'IOThreadInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'device-list-properties': {
      arguments: 'DeviceListPropertiesArguments',
      returns: { kind: 'array', items: { kind: 'named', name: 'ObjectPropertyInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    device_add: {
      arguments: 'DeviceAddArguments',
      allowOob: false,
      features: ['json-cli', 'json-cli-hotplug'],
      unchecked: true,
    },
    device_del: { arguments: 'DeviceDelArguments', allowOob: false, features: [], unchecked: false },
    'query-pci': {
      returns: { kind: 'array', items: { kind: 'named', name: 'PciInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-address-spaces': {
      returns: { kind: 'named', name: 'QueryAddressSpacesReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-flat-view': {
      arguments: 'QueryFlatViewArguments',
      returns: { kind: 'named', name: 'QueryFlatViewReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'memory-read': {
      arguments: 'MemoryReadArguments',
      returns: { kind: 'named', name: 'MemoryReadReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'memory-write': { arguments: 'MemoryWriteArguments', allowOob: false, features: [], unchecked: false },
    pmemsave: { arguments: 'PmemsaveArguments', allowOob: false, features: [], unchecked: false },
    'iommu-bind-pasid-table': {
      arguments: 'IommuBindPasidTableArguments',
      returns: { kind: 'named', name: 'IommuBindPasidTableReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'iommu-unbind-pasid-table': {
      arguments: 'IommuUnbindPasidTableArguments',
      returns: { kind: 'named', name: 'ListenersReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'iommu-flush-iotlb': {
      arguments: 'FlushIotlbArguments',
      returns: { kind: 'named', name: 'FlushReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'flush-iotlb': {
      arguments: 'FlushIotlbArguments',
      returns: { kind: 'named', name: 'FlushReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'iommu-flush-pasid-cache': {
      arguments: 'IommuFlushPasidCacheArguments',
      returns: { kind: 'named', name: 'FlushReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'iommu-flush-device-iotlb': {
      arguments: 'IommuFlushDeviceIotlbArguments',
      returns: { kind: 'named', name: 'IommuFlushDeviceIotlbReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'iommu-set-bypass': { arguments: 'IommuSetBypassArguments', allowOob: false, features: [], unchecked: false },
    'query-iommus': {
      returns: { kind: 'named', name: 'QueryIommusReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-iommu-notifiers': {
      returns: { kind: 'named', name: 'QueryIommuNotifiersReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'iommu-translate': {
      arguments: 'IommuTranslateArguments',
      returns: { kind: 'named', name: 'TranslationResult' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-iotlb': {
      arguments: 'QueryIotlbArguments',
      returns: { kind: 'named', name: 'QueryIotlbReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-page-requests': {
      returns: { kind: 'named', name: 'QueryPageRequestsReturn' },
      allowOob: true,
      features: [],
      unchecked: false,
    },
    'page-response': { arguments: 'PageResponseArguments', allowOob: true, features: [], unchecked: false },
    'iommu-reverse-translate': {
      arguments: 'IommuReverseTranslateArguments',
      returns: { kind: 'named', name: 'IommuReverseTranslateReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-iommu-mappings': {
      arguments: 'QueryIommuMappingsArguments',
      returns: { kind: 'named', name: 'QueryIommuMappingsReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'guest-iommu-enable': {
      arguments: 'GuestIommuEnableArguments',
      returns: { kind: 'named', name: 'GuestIommuEnableReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'guest-dma-map': { arguments: 'GuestDmaMapArguments', allowOob: false, features: [], unchecked: false },
    'guest-dma-unmap': { arguments: 'GuestDmaUnmapArguments', allowOob: false, features: [], unchecked: false },
    'guest-svm-bind': { arguments: 'GuestSvmBindArguments', allowOob: false, features: [], unchecked: false },
    'guest-svm-unbind': { arguments: 'GuestSvmUnbindArguments', allowOob: false, features: [], unchecked: false },
    'query-vfio': {
      returns: { kind: 'named', name: 'QueryVfioReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-host-iommu': {
      returns: { kind: 'named', name: 'QueryHostIommuReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'dma-read': {
      arguments: 'DmaReadArguments',
      returns: { kind: 'named', name: 'DmaReadReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'dma-write': {
      arguments: 'DmaWriteArguments',
      returns: { kind: 'named', name: 'DmaWriteReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'trace-event-get-state': {
      arguments: 'TraceEventGetStateArguments',
      returns: { kind: 'array', items: { kind: 'named', name: 'TraceEventInfo' } },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'trace-event-set-state': {
      arguments: 'TraceEventSetStateArguments',
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-event-log': {
      arguments: 'QueryEventLogArguments',
      returns: { kind: 'named', name: 'QueryEventLogReturn' },
      allowOob: true,
      features: [],
      unchecked: false,
    },
    'query-checks': {
      returns: { kind: 'named', name: 'QueryChecksReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'set-check': { arguments: 'SetCheckArguments', allowOob: false, features: [], unchecked: false },
    'break-add': {
      arguments: 'BreakAddArguments',
      returns: { kind: 'named', name: 'BreakAddReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'break-remove': { arguments: 'BreakRemoveArguments', allowOob: false, features: [], unchecked: false },
    'query-breaks': {
      returns: { kind: 'named', name: 'QueryBreaksReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'fault-inject': {
      arguments: 'FaultInjectArguments',
      returns: { kind: 'named', name: 'FaultInjectReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'query-faults-injected': {
      returns: { kind: 'named', name: 'QueryFaultsInjectedReturn' },
      allowOob: false,
      features: [],
      unchecked: false,
    },
    'fault-clear': { arguments: 'FaultClearArguments', allowOob: false, features: [], unchecked: false },
  },
  events: {
    EVENT_LOSS: { data: 'EventLossEvent', model: false },
    SHUTDOWN: { data: 'ShutdownEvent', model: false },
    POWERDOWN: { model: false },
    RESET: { data: 'ResetEvent', model: false },
    STOP: { model: false },
    RESUME: { model: false },
    DEVICE_DELETED: { data: 'DeviceDeletedEvent', model: false },
    IOMMU_PASID_TABLE_BOUND: { data: 'IommuPasidTableBoundEvent', model: true },
    IOMMU_PASID_TABLE_UNBOUND: { data: 'IommuPasidTableUnboundEvent', model: true },
    IOMMU_PASID_TABLE_BIND_FAILED: { data: 'IommuPasidTableBindFailedEvent', model: true },
    IOMMU_PASID_ATTACHED: { data: 'IommuPasidAttachedEvent', model: true },
    IOMMU_PASID_DETACHED: { data: 'IommuPasidDetachedEvent', model: true },
    IOMMU_IOTLB_FLUSHED: { data: 'IommuIotlbFlushedEvent', model: true },
    IOMMU_PASID_CACHE_FLUSHED: { data: 'IommuPasidCacheFlushedEvent', model: true },
    IOMMU_DEVICE_IOTLB_FLUSHED: { data: 'IommuDeviceIotlbFlushedEvent', model: true },
    IOMMU_REGION_SWITCHED: { data: 'IommuRegionSwitchedEvent', model: true },
    IOMMU_FAULT: { data: 'IommuFaultEvent', model: true },
    IOMMU_PAGE_REQUEST: { data: 'IommuPageRequestEvent', model: true },
    IOMMU_MAPPED: { data: 'IommuMappedEvent', model: true },
    IOMMU_UNMAPPED: { data: 'IommuUnmappedEvent', model: true },
    VFIO_DMA_MAPPED: { data: 'VfioDmaMappedEvent', model: true },
    VFIO_DMA_UNMAPPED: { data: 'VfioDmaUnmappedEvent', model: true },
    HOST_STALE_TRANSLATION: { data: 'HostStaleTranslationEvent', model: true },
    DMA_COMPLETED: { data: 'DmaCompletedEvent', model: true },
    MODEL_CHECK_FAILED: { data: 'ModelCheckFailedEvent', model: true },
  },
};
