// The layers of ARCHITECTURE.md: a room of src/ may import itself and only the rooms named behind it.
const model = ['vfio', 'vhost', 'host', 'iommu', 'virtio', 'pci', 'qom', 'memory', 'trace'];
const rooms = {
  daemon: ['monitor', 'machine', 'devices', 'guest', ...model, 'qmp', 'qtest', 'wire', 'options', 'generated', 'core'],
  options: ['generated', 'core'],
  monitor: ['machine', 'devices', 'guest', ...model, 'qmp', 'options', 'generated', 'core'],
  machine: ['devices', 'guest', ...model, 'qtest', 'generated', 'core'],
  guest: ['iommu', 'virtio', 'pci', 'memory', 'trace', 'core'],
  devices: [...model, 'generated', 'core'],
  vfio: ['host', 'iommu', 'pci', 'memory', 'trace', 'core'],
  vhost: ['iommu', 'virtio', 'memory', 'trace', 'core'],
  host: ['iommu', 'memory', 'trace', 'core'],
  iommu: ['virtio', 'pci', 'memory', 'trace', 'core'],
  virtio: ['pci', 'qom', 'memory', 'trace', 'core'],
  pci: ['qom', 'memory', 'trace', 'core'],
  qom: ['core'],
  memory: ['trace', 'core'],
  trace: ['generated', 'core'],
  qmp: ['wire', 'generated', 'core'],
  qtest: ['wire', 'core'],
  wire: ['core'],
  core: [],
  generated: [],
};

const outside = (room, allowed) => ({
  name: `src/${room}-imports-only-lower-rooms`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^(src|clients|test)/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
});

/** The rooms of src/iommu, one for each kind of unit. */
const units = ['intel', 'amd', 'virtio', 'spapr', 's390'];

const aloneInIommu = (unit) => ({
  name: `src/iommu/${unit}-is-known-to-no-other-unit`,
  severity: 'error',
  from: { path: '^src/iommu/', pathNot: `^src/iommu/${unit}/` },
  to: { path: `^src/iommu/${unit}/` },
});

export default {
  forbidden: [
    ...units.map(aloneInIommu),
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...Object.entries(rooms).map(([room, allowed]) => outside(room, allowed)),
    {
      name: 'rooms-are-listed',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(main\\.ts$|(${Object.keys(rooms).join('|')})/)` },
      to: {},
    },
    {
      name: 'clients-know-only-the-generated-protocol',
      severity: 'error',
      from: { path: '^clients/' },
      to: { path: '^(src|test)/', pathNot: '^src/generated/' },
    },
    { name: 'src-never-imports-tests', severity: 'error', from: { path: '^(src|clients)/' }, to: { path: '^test/' } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] },
  },
};
