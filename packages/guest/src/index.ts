export { buildGuestImage } from './build-image.ts';
export { defaultCacheDirectory } from './cache.ts';
