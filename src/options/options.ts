/** A UNIX socket. */
export interface UnixEndpoint {
  readonly kind: 'unix';
  readonly path: string;
  /** In the abstract namespace: no file. */
  readonly abstract: boolean;
  readonly server: boolean;
  /** A server holds the start of the machine back until its first client has come. */
  readonly wait: boolean;
  /** Seconds after which a client that lost its server tries again; 0 for never. */
  readonly reconnect: number;
}

/** A TCP socket. */
export interface TcpEndpoint {
  readonly kind: 'tcp';
  /** Empty for all addresses of this machine. */
  readonly host: string;
  readonly port: string;
  /** The last port to be tried where those before are in use (`to=`); null for `port` alone. */
  readonly lastPort: string | null;
  readonly server: boolean;
  readonly wait: boolean;
  readonly reconnect: number;
}

/** A socket that the program was started with. */
export interface DescriptorEndpoint {
  readonly kind: 'fd';
  readonly fd: number;
  /** It listens; otherwise it is connected. */
  readonly server: boolean;
  readonly wait: boolean;
  readonly reconnect: number;
}

/** What a character device stands for. */
export type Endpoint =
  | UnixEndpoint
  | TcpEndpoint
  | DescriptorEndpoint
  | { readonly kind: 'stdio' }
  | { readonly kind: 'null' };

/** `-chardev`. */
export interface CharacterDevice {
  readonly id: string;
  readonly endpoint: Endpoint;
  /** Several front ends share it. */
  readonly mux: boolean;
  /** As written, `-chardev null,id=x`. */
  readonly option: string;
}

/** A monitor that speaks QMP. */
export interface Monitor {
  readonly endpoint: Endpoint;
  readonly pretty: boolean;
  /** The id of the `-chardev` behind it; null for `-qmp`. */
  readonly chardev: string | null;
  readonly option: string;
}

/** `-device`. */
export interface DeviceOption {
  readonly driver: string;
  /** The driver included; texts, or the values of the JSON form. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The JSON form was used: values keep their types. */
  readonly typed: boolean;
  readonly option: string;
}

/** `-object`. */
export interface ObjectOption {
  readonly type: string;
  /** `qom-type` and `id` included. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly typed: boolean;
  readonly option: string;
}

/** A named option with its parameters as written. */
export interface NamedOption {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
  readonly option: string;
}

/** `-trace`, each part null where it was not given. */
export interface TraceOption {
  readonly pattern: string | null;
  /** A file of patterns. */
  readonly events: string | null;
  /** Where the traces go. */
  readonly file: string | null;
  /** As written, for warnings; null where QEMU's name no option (`-d trace:…`). */
  readonly option: string | null;
}

/** What is listed by a help that needs the types of objects, or the trace points. */
export type Subject = 'machines' | 'machine' | 'devices' | 'device' | 'objects' | 'object' | 'traces';

/** What the program shall do. All but `run` print to stdout and end, a help with status 0 where nothing else is said. */
export type Action =
  | { readonly kind: 'run' | 'help' | 'version' }
  | { readonly kind: 'print'; readonly text: string; readonly status: number }
  /** `name` is the machine or type whose properties are wanted; null for a list of all. */
  | { readonly kind: 'list'; readonly subject: Subject; readonly name: string | null; readonly option: string };

/** A whole command line, as plain data. */
export interface Options {
  action: Action;
  /** Type null: the default one. The values are texts, `unplug-ack` for instance; the type is not among them. */
  machine: { type: string | null; values: Record<string, string>; option: string | null };
  /** In the order of preference; empty when none was named. */
  accelerators: NamedOption[];
  /** In bytes; null for the machine's default. */
  memory: bigint | null;
  memorySlots: number;
  /** In bytes; null when not given. */
  maxMemory: bigint | null;
  devices: DeviceOption[];
  objects: ObjectOption[];
  networkBackends: NamedOption[];
  characterDevices: CharacterDevice[];
  monitors: Monitor[];
  /** Monitors for humans (`-monitor`, `-mon` without `mode=control`), but for `none` and `null`. */
  readlineMonitors: { readonly endpoint: Endpoint; readonly option: string }[];
  qtest: Endpoint | null;
  qtestLog: string | null;
  startPaused: boolean;
  daemonize: boolean;
  noDefaults: boolean;
  noUserConfig: boolean;
  noShutdown: boolean;
  noReboot: boolean;
  preconfig: boolean;
  name: string | null;
  processName: string | null;
  debugThreads: boolean | null;
  /** Lower case. */
  uuid: string | null;
  pidFile: string | null;
  /** A file of commands to be played before the program ends, `-` for standard input; null to serve until it is told. */
  commandFile: string | null;
  bios: string | null;
  traces: TraceOption[];
  /** `-D`. */
  logFile: string | null;
  /** `-smp`; 1 when not given. */
  processors: number;
  cpu: string | null;
  globals: { readonly driver: string; readonly property: string; readonly value: string }[];
  /** `-compat`: the policies by name. */
  compatibility: Record<string, string>;
  icount: Record<string, string> | null;
  /** Options that are taken because every harness passes them, and that mean nothing to this program. */
  accepted: NamedOption[];
  /** For stderr, behind the program's name. */
  warnings: string[];
}

/** The options of an empty command line. */
export function defaultOptions(): Options {
  return {
    action: { kind: 'run' },
    machine: { type: null, values: {}, option: null },
    accelerators: [],
    memory: null,
    memorySlots: 0,
    maxMemory: null,
    devices: [],
    objects: [],
    networkBackends: [],
    characterDevices: [],
    monitors: [],
    readlineMonitors: [],
    qtest: null,
    qtestLog: null,
    startPaused: false,
    daemonize: false,
    noDefaults: false,
    noUserConfig: false,
    noShutdown: false,
    noReboot: false,
    preconfig: false,
    name: null,
    processName: null,
    debugThreads: null,
    uuid: null,
    pidFile: null,
    commandFile: null,
    bios: null,
    traces: [],
    logFile: null,
    processors: 1,
    cpu: null,
    globals: [],
    compatibility: {},
    icount: null,
    accepted: [],
    warnings: [],
  };
}
