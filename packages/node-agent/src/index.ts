export { createNodeAgent, agentVersion, type AgentDependencies, type NodeAgent } from './agent.ts';
export { parseAgentConfig, type AgentConfig } from './config.ts';
export { directoriesOf, type Directories } from './host/directories.ts';
