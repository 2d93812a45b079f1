import { describe, expect, it } from 'vitest';
import { recordedScenarios } from './scenario.ts';
import { ScenarioPlayer } from './scenario-player.ts';

const scenarios = recordedScenarios();

describe('VT-d as QEMU 11.1.3 has it', () => {
  it('is held to every recorded scenario', () => {
    expect(scenarios.length).toBeGreaterThanOrEqual(207);
  });

  it.each(scenarios.map((recorded) => [recorded.scenario.name, recorded] as const))('%s', (_name, recorded) => {
    expect(new ScenarioPlayer(recorded.scenario).play()).toEqual(recorded.expected);
  });
});
