import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { isDenied, type StepResult, type Stepped } from '@godwit/migration';

export interface RunnerOptions<State, Event, Effect> {
  readonly begin: Stepped<State, Effect>;
  readonly step: (state: State, event: Event) => StepResult<State, Effect>;
  readonly deadlineMs: (state: State) => number | undefined;
  /** Carries out one effect; an event it resolves with is handled after the remaining effects. */
  readonly perform: (effect: Effect, state: State) => Promise<Event | undefined>;
  readonly timeout: Event;
  /** Told after the effects of a transition are complete. */
  readonly onSettled: (state: State) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Runner<State, Event> {
  state(): State;
  give(event: Event): void;
  /** No further effect begins; resolves when the one under way is over. */
  stop(): Promise<void>;
}

/** Runs a handover machine: events one at a time, effects in order, each complete before the next. Decides nothing. */
export function startRunner<
  State extends { readonly phase: string },
  Event extends { readonly type: string },
  Effect extends { readonly do: string },
>(options: RunnerOptions<State, Event, Effect>): Runner<State, Event> {
  const { log, clock } = options;
  let state = options.begin.next;
  let effects: readonly Effect[] = options.begin.effects;
  let stopped = false;
  let cancelTimer = () => {};
  const events: Event[] = [];
  let wake = () => {};

  const arm = () => {
    cancelTimer();
    const afterMs = options.deadlineMs(state);
    cancelTimer = afterMs === undefined ? () => {} : clock.after(afterMs, () => give(options.timeout));
  };
  const give = (event: Event) => {
    events.push(event);
    wake();
  };

  const loop = async () => {
    // An event that changes nothing neither prolongs a deadline nor counts as news.
    let isNews = true;
    let isDue = true;
    for (;;) {
      for (const effect of effects) {
        if (stopped) return;
        try {
          const event = await options.perform(effect, state);
          if (event !== undefined) events.push(event);
        } catch (error) {
          log.error({ effect: effect.do, error: describeError(error) }, 'migration effect failed');
        }
      }
      if (stopped) return;
      if (isNews || isDue) arm();
      if (isNews) options.onSettled(state);
      while (events.length === 0 && !stopped) await new Promise<void>((resolve) => (wake = resolve));
      if (stopped) return;
      const event = events.shift();
      effects = [];
      isNews = false;
      isDue = event === options.timeout;
      if (event === undefined) continue;
      const result = options.step(state, event);
      if (isDenied(result)) {
        log.warn({ denied: result.denied }, 'migration event refused');
        continue;
      }
      if (result.next.phase !== state.phase)
        log.info({ from: state.phase, to: result.next.phase, event: event.type }, 'migration phase');
      isNews = result.next !== state;
      state = result.next;
      effects = result.effects;
    }
  };
  const running = loop();
  return {
    state: () => state,
    give,
    async stop() {
      stopped = true;
      cancelTimer();
      wake();
      await running;
    },
  };
}
