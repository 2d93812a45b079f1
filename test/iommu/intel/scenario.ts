import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../../conformance/vtd/scenarios');

/** The QEMU whose answers count. */
const VERSION = '11.1.3';

/** Numbers of the files: as they are, or as hexadecimal text. */
export type Numeric = number | string;

export interface ScenarioDevice {
  readonly id: string;
  readonly type: 'edu' | 'iommu-testdev';
  /** `SLOT.FUNCTION`, both hexadecimal. */
  readonly addr: string;
}

export interface ScenarioMachine {
  readonly ram_mb?: number;
  readonly iommu?: Readonly<Record<string, boolean | number>>;
  readonly devices?: readonly ScenarioDevice[];
}

interface DataFields {
  readonly hex?: string;
  readonly u64?: Numeric | readonly Numeric[];
  readonly u32?: Numeric | readonly Numeric[];
}

export interface ScenarioStep extends DataFields {
  readonly op: string;
  readonly label?: string;
  readonly addr?: Numeric;
  readonly len?: Numeric;
  readonly size?: Numeric;
  readonly byte?: Numeric;
  readonly reg?: string;
  readonly offset?: Numeric;
  readonly value?: Numeric;
  readonly dev?: string;
  readonly iova?: Numeric;
  readonly gpa?: Numeric;
  readonly attrs?: Numeric;
  readonly data?: Numeric;
  readonly count?: Numeric;
  readonly stride?: Numeric;
  readonly faults?: boolean;
  readonly clear?: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly description?: string;
  readonly machine?: ScenarioMachine;
  readonly steps: readonly ScenarioStep[];
}

/** What a step gave. */
export type StepResult = Record<string, unknown>;

export interface RecordedScenario {
  readonly scenario: Scenario;
  /** The version's results, step by step. */
  readonly expected: readonly StepResult[];
}

/** Every recorded scenario to which the version has an answer, by name. */
export function recordedScenarios(): RecordedScenario[] {
  const found: RecordedScenario[] = [];
  for (const file of readdirSync(folder).sort()) {
    const document = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      scenario: Scenario;
      answers: Record<string, { results: StepResult[] }>;
    };
    const answer = document.answers[VERSION];
    if (answer !== undefined) found.push({ scenario: document.scenario, expected: answer.results });
  }
  return found;
}

/** The bytes that a step carries, little endian. */
export function bytesOf(step: ScenarioStep): Buffer {
  if (step.hex !== undefined) return Buffer.from(step.hex, 'hex');
  const size = step.u64 === undefined ? 4 : 8;
  const values = step.u64 ?? step.u32;
  if (values === undefined) throw new Error(`a step of ${step.op} carries no data`);
  const list: readonly Numeric[] = typeof values === 'object' ? values : [values];
  const bytes = Buffer.alloc(list.length * size);
  list.forEach((value, index) => {
    if (size === 8) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), index * 8);
    else bytes.writeUInt32LE(Number(BigInt.asUintN(32, BigInt(value))), index * 4);
  });
  return bytes;
}
