import type { SideStatus } from './types.ts';

/** Parts of a status; a hindrance stands until it is `undefined`. */
type News = Pick<SideStatus, 'mode' | 'notice'> & {
  readonly phase?: Omit<SideStatus, 'mode' | 'hindrance' | 'notice'>;
  readonly hindrance?: string | undefined;
  /** What holds to the end, and is told whenever nothing hinders. */
  readonly standing?: string;
};

/** What a side of a handover says of itself, put together from what its parts know. */
export interface StatusTelling {
  status(): SideStatus;
  tell(news: News): void;
  /** Known, but not worth telling before something else is. */
  note(news: News): void;
  readonly hindered: (why: string | undefined) => void;
}

export function createStatusTelling(onStatus: ((status: SideStatus) => void) | undefined): StatusTelling {
  let known: News & Required<Pick<News, 'phase'>> = { phase: { phase: 'Starting', undecided: false } };
  const telling: StatusTelling = {
    status() {
      const { phase, standing, hindrance = standing, ...rest } = known;
      return { ...phase, ...rest, ...(hindrance === undefined ? {} : { hindrance }) };
    },
    note(news) {
      known = { ...known, ...news };
    },
    tell(news) {
      telling.note(news);
      onStatus?.(telling.status());
    },
    hindered: (hindrance) => telling.tell({ hindrance }),
  };
  return telling;
}
