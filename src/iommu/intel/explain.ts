import type { TableMemory } from '../../memory/table-memory.ts';
import { stepOf } from '../entry-layout.ts';
import type { TranslationStep } from '../unit.ts';
import { CONTEXT_LAYOUT } from './context-lookup.ts';
import type { RequestWalk } from './request-walk.ts';
import {
  ECS_PASID_ENTRY,
  FIRST_STAGE_ENTRY,
  PASID_DIRECTORY_ENTRY,
  PASID_ENTRY,
  SECOND_STAGE_ENTRY,
} from './tables.ts';
import type { PasidEntryReader } from './walk.ts';

/** What page walkers leave behind. */
interface WalkedSteps {
  readonly steps: number;
  readonly stepAddress: Float64Array;
}

/** The entries that the last request of `walk` met, from the root entry on; `walked`: it came as far as the pages. */
export function explainRequest(walk: RequestWalk, source: number, pasid: number, walked: boolean): TranslationStep[] {
  const { contexts } = walk;
  const { stage } = walk;
  const serves = stage === 'first' ? 'first' : 'second';
  const layouts = CONTEXT_LAYOUT[contexts.mode];
  const steps: TranslationStep[] = [];
  if (contexts.rootRead) {
    steps.push(stepOf('second', layouts.root, source >>> 8, contexts.rootAddress, contexts.rootWords));
  }
  if (contexts.contextRead) {
    const index = contexts.mode === 'legacy' ? source & 0xff : source & 0x7f;
    steps.push(stepOf('second', layouts.context, index, contexts.contextAddress, contexts.words));
  }
  if (walk.pasidRead) steps.push(...explainPasid(walk.pasids, pasid, contexts.mode === 'ecs', serves));
  if (walked) {
    const walker = stage === 'first' ? walk.first : walk.second;
    steps.push(...explainPages(walk.memory, walker, stage !== 'first', topLevel(walk)));
  }
  return steps;
}

/** The directory entry and the PASID entry that `reader` met last. */
export function explainPasid(
  reader: PasidEntryReader,
  pasid: number,
  flat: boolean,
  stage: 'first' | 'second',
): TranslationStep[] {
  const { steps, stepAddress, stepLow, stepHigh } = reader;
  const word = (step: number): [number, number] => [stepLow[step]!, stepHigh[step]!];
  const explained: TranslationStep[] = [];
  if (steps === 0) return explained;
  if (flat) return [stepOf(stage, ECS_PASID_ENTRY, pasid, stepAddress[0]!, Uint32Array.of(...word(0)))];
  explained.push(stepOf(stage, PASID_DIRECTORY_ENTRY, pasid >>> 6, stepAddress[0]!, Uint32Array.of(...word(0))));
  if (steps < 4) return explained;
  const words = new Uint32Array(16);
  for (let step = 1; step < 4; step++) words.set(word(step), 2 * (step - 1));
  explained.push(stepOf(stage, PASID_ENTRY, pasid & 63, stepAddress[1]!, words));
  return explained;
}

/**
 * The page-table entries that `walker` met last, from the table of level `top` down: as they stand in memory, without
 * the accessed and dirty bits that the walk would have set.
 */
export function explainPages(
  memory: TableMemory,
  walker: WalkedSteps,
  second: boolean,
  top: number,
): TranslationStep[] {
  const layout = second ? SECOND_STAGE_ENTRY : FIRST_STAGE_ENTRY;
  const explained: TranslationStep[] = [];
  for (let step = 0; step < walker.steps; step++) {
    const address = walker.stepAddress[step]!;
    memory.read(address);
    const words = Uint32Array.of(memory.low, memory.high);
    const index = (address % 0x1000) / 8;
    explained.push({ ...stepOf(second ? 'second' : 'first', layout, index, address, words), level: top - step });
  }
  return explained;
}

function topLevel(walk: RequestWalk): number {
  return walk.stage === 'first' ? walk.pasids.firstStage.levels : walk.secondStage.levels;
}
