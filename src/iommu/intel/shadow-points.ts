import type { TracePoints } from '../../trace/points/table.ts';
import type { ShadowPoints } from '../shadow.ts';

/** QEMU's trace points of the page walk that follows an invalidation. */
export class IntelShadowPoints implements ShadowPoints {
  readonly #points: TracePoints;
  readonly #domainId: () => number;

  /** @param domainId of the tables that are walked now */
  constructor(points: TracePoints, domainId: () => number) {
    this.#points = points;
    this.#domainId = domainId;
  }

  get level(): ShadowPoints['level'] {
    return this.#points.vtd_page_walk_level;
  }

  get unreadable(): ShadowPoints['unreadable'] {
    return this.#points.vtd_page_walk_skip_read;
  }

  get unknown(): ShadowPoints['unknown'] {
    return this.#points.vtd_page_walk_skip_reserve;
  }

  get told(): ShadowPoints['told'] {
    const point = this.#points.vtd_page_walk_one;
    if (point === null) return null;
    return (iova, translated, mask, rights) => point(this.#domainId(), iova, translated, mask, rights);
  }

  get mappedAlready(): ShadowPoints['mappedAlready'] {
    return this.#points.vtd_page_walk_one_skip_map;
  }

  get unmappedAlready(): ShadowPoints['unmappedAlready'] {
    return this.#points.vtd_page_walk_one_skip_unmap;
  }
}
