/** Why a machine was shut down or reset, by QEMU's names. */
export type ShutdownReason = 'host-qmp-quit' | 'host-qmp-system-reset' | 'host-signal';

/** QEMU's own events, which carry neither sequence nor operation. */
export type MachineEvent =
  | { readonly name: 'STOP' | 'RESUME' | 'POWERDOWN' }
  | { readonly name: 'RESET' | 'SHUTDOWN'; readonly data: { guest: boolean; reason: ShutdownReason } }
  | { readonly name: 'DEVICE_DELETED'; readonly data: { device?: string; path: string } };

/** Runs its argument once the reply of the current command is queued. */
export type AfterReply = (action: () => void) => void;

/** For callers that have no reply to wait for. */
export const AT_ONCE: AfterReply = (action) => action();

/** Who wants to hear of something; one list for each kind of news. */
export class Subscribers<News> {
  #subscribers: readonly ((news: News) => void)[] = [];

  /** The returned function ends the subscription. */
  add(subscriber: (news: News) => void): () => void {
    this.#subscribers = [...this.#subscribers, subscriber];
    return () => {
      this.#subscribers = this.#subscribers.filter((other) => other !== subscriber);
    };
  }

  tell(news: News): void {
    for (const subscriber of this.#subscribers) subscriber(news);
  }
}
