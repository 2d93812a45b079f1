import { describe, expect, it } from 'vitest';
import { checkTopology, type TopologyRequest } from '../../src/options/processor-topology.ts';

const q35 = { machine: 'pc-q35-7.2', most: 288, dies: true };
const none = { machine: 'none', most: 1, dies: false };
const mismatch = 'Invalid CPU topology: product of the hierarchy must match maxcpus: ';

// Recorded from QEMU 7.2.22.
describe('what -smp refuses', () => {
  it.each<[typeof q35, TopologyRequest, string]>([
    [
      q35,
      { cpus: 2, maxcpus: 1 },
      'Invalid CPU topology: maxcpus must be equal to or greater than smp: ' +
        'sockets (1) * dies (1) * cores (1) * threads (1) == maxcpus (1) < smp_cpus (2)',
    ],
    [q35, { cpus: 300 }, "Invalid SMP CPUs 300. The max CPUs supported by machine 'pc-q35-7.2' is 288"],
    [none, { maxcpus: 300 }, "Invalid SMP CPUs 300. The max CPUs supported by machine 'none' is 1"],
    [none, { cpus: 4, sockets: 3 }, `${mismatch}sockets (3) * cores (1) * threads (1) != maxcpus (4)`],
    [
      q35,
      { cpus: 4, sockets: 2, cores: 2, threads: 2 },
      `${mismatch}sockets (2) * dies (1) * cores (2) * threads (2) != maxcpus (4)`,
    ],
    [
      q35,
      { cpus: 2, maxcpus: 4, cores: 3 },
      `${mismatch}sockets (1) * dies (1) * cores (3) * threads (1) != maxcpus (4)`,
    ],
    [q35, { cpus: 1, dies: 2 }, `${mismatch}sockets (1) * dies (2) * cores (0) * threads (1) != maxcpus (1)`],
    [none, { cpus: 1, dies: 2 }, "dies not supported by this machine's CPU topology"],
    [q35, { cpus: 2, clusters: 2 }, "clusters not supported by this machine's CPU topology"],
    [none, { cpus: 4, cores: 2, maxcpus: 8 }, "Invalid SMP CPUs 8. The max CPUs supported by machine 'none' is 1"],
  ])('%o %o', (limits, request, sentence) => {
    expect(() => checkTopology(request, limits)).toThrow(sentence);
  });

  it.each<TopologyRequest>([
    {},
    { cpus: 1 },
    { cpus: 4, cores: 2, maxcpus: 8 },
    { sockets: 2 },
    { cores: 0 },
    { cpus: 288 },
  ])('takes %o', (request) => {
    expect(() => checkTopology(request, q35)).not.toThrow();
  });
});
