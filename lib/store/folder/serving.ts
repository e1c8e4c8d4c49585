import { hostname } from 'node:os';

import type { Done } from '../storeRequests';
import { actionOf, resumeBy } from '../storeRequests';
import type { Attendance, Attendant } from '../store';
import { StoreNotServedError } from '../../errors/storageErrors';
import type { CarryOut } from './records/requestFiles';
import { RequestWatch } from './records/requestFiles';
import type { QueueFolder } from './records/queueFiles';
import { QueueWatch } from './records/queueFiles';
import type { Lock } from './lock/lock';

/** What is looked for in a folder while somebody serves its runs: requests of other processes, and queued runs. */
export class Serving {
  readonly #folder: string;
  readonly #attendants = new Set<Attendant>();
  readonly #requests: RequestWatch;
  readonly #queue: QueueWatch;

  constructor(folder: Omit<QueueFolder, 'durability'>, { token }: Lock, carryOut: CarryOut) {
    const troubled = (error: Error): void => {
      for (const attendant of this.#attendants) attendant.troubled(error);
    };
    const queued = (): void => {
      for (const attendant of this.#attendants) attendant.queued();
    };
    this.#folder = folder.layout.folder;
    this.#requests = new RequestWatch(folder, token, carryOut, troubled);
    this.#queue = new QueueWatch(folder, queued, troubled);
  }

  get isServed(): boolean {
    return this.#attendants.size > 0;
  }

  async join(attendant: Attendant): Promise<Pick<Attendance, 'takeQueued' | 'queuedAt' | 'leave'>> {
    this.#attendants.add(attendant);
    if (this.#attendants.size === 1) {
      this.#queue.open();
      await this.#requests.open();
    }
    return {
      takeQueued: (now) => this.#queue.take(now),
      queuedAt: () => this.#queue.dueAt,
      leave: () => {
        this.#attendants.delete(attendant);
        if (this.#attendants.size === 0) this.close();
      },
    };
  }

  /** A run has just been added to the queue by this process. */
  queued(): void {
    this.#queue.look(true);
  }

  /** @throws StoreNotServedError when nobody serves. */
  resume(runId: string, accepted: () => void): Promise<Done> {
    return resumeBy(this.#attendants, runId, accepted, () => {
      const me = { pid: process.pid, host: hostname() };
      return new StoreNotServedError(actionOf({ kind: 'resume', runId }), this.#folder, me);
    });
  }

  /** Waits for what is being answered. */
  settled(): Promise<void> {
    return this.#requests.settled();
  }

  close(): void {
    this.#attendants.clear();
    this.#requests.close();
    this.#queue.close();
  }
}
