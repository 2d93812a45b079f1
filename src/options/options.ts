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
  readonly server: boolean;
  readonly wait: boolean;
  readonly reconnect: number;
}

/** What a character device stands for. */
export type Endpoint = UnixEndpoint | TcpEndpoint | { readonly kind: 'stdio' } | { readonly kind: 'null' };

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
}

/** What the program shall do. The helps go to stdout and end with status 0. */
export type Action =
  | 'run'
  | 'help'
  | 'version'
  | 'machine-help'
  | 'device-help'
  | 'object-help'
  | 'accel-help'
  | 'trace-help'
  | 'chardev-help'
  | 'cpu-help'
  | 'log-help';

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
  bios: string | null;
  traces: TraceOption[];
  /** `-D`. */
  logFile: string | null;
  /** `-d`. */
  logItems: string | null;
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
    action: 'run',
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
    bios: null,
    traces: [],
    logFile: null,
    logItems: null,
    processors: 1,
    cpu: null,
    globals: [],
    compatibility: {},
    icount: null,
    accepted: [],
    warnings: [],
  };
}
