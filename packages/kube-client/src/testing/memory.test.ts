import { createMemoryKube } from './memory.ts';
import { kubeClientSuite } from './suite.ts';

const memory = createMemoryKube();
kubeClientSuite('memory', () => memory.client);
