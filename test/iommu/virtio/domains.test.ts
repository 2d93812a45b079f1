import { describe, expect, it } from 'vitest';
import { Domains, MOST_MAPPINGS } from '../../../src/iommu/virtio/domains.ts';

const PAGE = 0x1000n;

describe('domains', () => {
  it('share the room for mappings, and give it back with an unmap or the last endpoint', () => {
    const domains = new Domains();
    const [first, second] = [1, 2].map((id) => {
      const domain = domains.provide(id, false)!;
      domains.attach(id, domain);
      return domain;
    });
    const add = (domain: typeof first, page: number): void => {
      const start = BigInt(page) * PAGE;
      domain!.mappings.add({ start, last: start + PAGE - 1n, physical: 0n, flags: 3 });
    };
    for (let page = 0; page < MOST_MAPPINGS / 2; page++) {
      expect(domains.full).toBe(false);
      add(first, page);
      add(second, page);
    }
    expect(domains.full).toBe(true);
    first!.mappings.removeIn(0n, PAGE - 1n);
    expect(domains.full).toBe(false);
    add(first, 0);
    expect(domains.full).toBe(true);
    domains.forget(2);
    expect(domains.find(2)).toBeUndefined();
    expect(domains.full).toBe(false);
  });
});
