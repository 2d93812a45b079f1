import { OptionError } from './error.ts';

/** What `-smp` says of the processors; 0 or absent where it leaves a level to QEMU. */
export type TopologyRequest = Readonly<
  Partial<Record<'cpus' | 'maxcpus' | 'sockets' | 'dies' | 'clusters' | 'cores' | 'threads', number>>
>;

/** What a type of machine can hold. */
export interface TopologyLimits {
  readonly machine: string;
  /** Inclusive. */
  readonly most: number;
  readonly dies: boolean;
}

interface Levels {
  readonly sockets: number;
  readonly dies: number;
  readonly cores: number;
  readonly threads: number;
  readonly maxcpus: number;
}

/** Fills in the levels that were left out: cores before sockets, then threads, rounded down. */
function fillIn(request: TopologyRequest): Levels {
  const { cpus = 0, sockets = 0, cores = 0, threads = 0 } = request;
  const dies = request.dies || 1;
  const wanted = request.maxcpus || cpus;
  const parts = (...levels: number[]): number =>
    Math.floor(wanted / levels.reduce((product, level) => product * level, 1));
  if (wanted === 0) {
    const levels = { sockets: sockets || 1, dies, cores: cores || 1, threads: threads || 1 };
    return { ...levels, maxcpus: levels.sockets * dies * levels.cores * levels.threads };
  }
  if (cores === 0) {
    const levels = { sockets: sockets || 1, dies, threads: threads || 1 };
    return { ...levels, cores: parts(levels.sockets, dies, levels.threads), maxcpus: wanted };
  }
  if (sockets === 0) {
    const levels = { dies, cores, threads: threads || 1 };
    return { ...levels, sockets: parts(dies, cores, levels.threads), maxcpus: wanted };
  }
  return { sockets, dies, cores, threads: threads || parts(sockets, dies, cores), maxcpus: wanted };
}

/**
 * Refuses what no machine of the type could have, as QEMU does; the model has no processors whatever is asked for.
 * @throws OptionError with QEMU's sentence
 */
export function checkTopology(request: TopologyRequest, limits: TopologyLimits): void {
  if (!limits.dies && (request.dies ?? 0) > 1) {
    throw new OptionError("dies not supported by this machine's CPU topology");
  }
  if ((request.clusters ?? 0) > 1) throw new OptionError("clusters not supported by this machine's CPU topology");
  const { sockets, dies, cores, threads, maxcpus } = fillIn(request);
  const levels = [
    `sockets (${sockets})`,
    ...(limits.dies ? [`dies (${dies})`] : []),
    `cores (${cores})`,
    `threads (${threads})`,
  ].join(' * ');
  if (sockets * dies * cores * threads !== maxcpus) {
    throw new OptionError(
      `Invalid CPU topology: product of the hierarchy must match maxcpus: ${levels} != maxcpus (${maxcpus})`,
    );
  }
  const cpus = request.cpus || maxcpus;
  if (maxcpus < cpus) {
    throw new OptionError(
      `Invalid CPU topology: maxcpus must be equal to or greater than smp: ${levels} == maxcpus (${maxcpus}) ` +
        `< smp_cpus (${cpus})`,
    );
  }
  if (maxcpus > limits.most) {
    throw new OptionError(
      `Invalid SMP CPUs ${maxcpus}. The max CPUs supported by machine '${limits.machine}' is ${limits.most}`,
    );
  }
}
