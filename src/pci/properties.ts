import { flag, pciDevfn, str, uint32 } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';

/** The properties of every PCI device. Those about ROMs, ACPI and failover are taken and told; nothing is behind them. */
export const pciProperties = {
  failoverPairId: deviceProperty('failover_pair_id', str, null),
  romFile: deviceProperty('romfile', str, null),
  addr: deviceProperty('addr', pciDevfn, -1),
  romSize: deviceProperty('romsize', uint32, 0xffff_ffff),
  linkActiveReporting: deviceProperty('x-pcie-lnksta-dllla', flag, true),
  romBar: deviceProperty('rombar', uint32, 1),
  extendedCapabilities: deviceProperty('x-pcie-extcap-init', flag, true),
  acpiIndex: deviceProperty('acpi-index', uint32, 0),
  multifunction: deviceProperty('multifunction', flag, false),
} as const;
