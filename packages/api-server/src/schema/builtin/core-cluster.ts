/** The other core kinds; see `messages.ts` for the notation. */
export const coreClusterMessages = `
@core
Node metadata:1:ObjectMeta spec:2:NodeSpec status:3:NodeStatus
Namespace metadata:1:ObjectMeta spec:2:NamespaceSpec status:3:NamespaceStatus
ConfigMap metadata:1:ObjectMeta immutable:4:b? data:2:{}s binaryData:3:{}bytes
Secret metadata:1:ObjectMeta immutable:5:b? data:2:{}bytes stringData:4:{}s type:3:s
ServiceAccount metadata:1:ObjectMeta secrets:2:[]ObjectReference@name+name
 imagePullSecrets:3:[]LocalObjectReference% automountServiceAccountToken:4:b?
Service metadata:1:ObjectMeta spec:2:ServiceSpec status:3:ServiceStatus
Endpoints metadata:1:ObjectMeta subsets:2:[]EndpointSubset%
Event metadata:1:ObjectMeta* involvedObject:2:ObjectReference* reason:3:s message:4:s source:5:EventSource
 firstTimestamp:6:time lastTimestamp:7:time count:8:i32 type:9:s eventTime:10:micro series:11:EventSeries?
 action:12:s related:13:ObjectReference? reportingComponent:14:s! reportingInstance:15:s!
Binding metadata:1:ObjectMeta target:2:ObjectReference*
ResourceQuota metadata:1:ObjectMeta spec:2:ResourceQuotaSpec status:3:ResourceQuotaStatus
LimitRange metadata:1:ObjectMeta spec:2:LimitRangeSpec
NodeSpec podCIDR:1:s podCIDRs:7:[]s@# providerID:3:s unschedulable:4:b taints:5:[]Taint%
 configSource:6:NodeConfigSource? externalID:2:s
NodeStatus capacity:1:{}qty allocatable:2:{}qty phase:3:s conditions:4:[]NodeCondition@type+type
 addresses:5:[]NodeAddress@type+type daemonEndpoints:6:NodeDaemonEndpoints nodeInfo:7:NodeSystemInfo
 images:8:[]ContainerImage% volumesInUse:9:[]s% volumesAttached:10:[]AttachedVolume% config:11:NodeConfigStatus?
 runtimeHandlers:12:[]NodeRuntimeHandler% features:13:NodeFeatures?
NamespaceSpec finalizers:1:[]s%
NamespaceStatus phase:1:s conditions:2:[]NamespaceCondition@type+type
ServiceSpec ports:1:[]ServicePort@port+port+protocol selector:2:{}s% clusterIP:3:s clusterIPs:18:[]s% type:4:s
 externalIPs:5:[]s% sessionAffinity:7:s loadBalancerIP:8:s loadBalancerSourceRanges:9:[]s% externalName:10:s
 externalTrafficPolicy:11:s healthCheckNodePort:12:i32 publishNotReadyAddresses:13:b
 sessionAffinityConfig:14:SessionAffinityConfig? ipFamilies:19:[]s% ipFamilyPolicy:17:s?
 allocateLoadBalancerNodePorts:20:b? loadBalancerClass:21:s? internalTrafficPolicy:22:s?
 trafficDistribution:23:s?
ServiceStatus loadBalancer:1:LoadBalancerStatus conditions:2:[]Condition@type+type
EndpointSubset addresses:1:[]EndpointAddress% notReadyAddresses:2:[]EndpointAddress% ports:3:[]EndpointPort%
EventSource component:1:s host:2:s
EventSeries count:1:i32 lastObservedTime:2:micro
ResourceQuotaSpec hard:1:{}qty scopes:2:[]s% scopeSelector:3:ScopeSelector?
ResourceQuotaStatus hard:1:{}qty used:2:{}qty
LimitRangeSpec limits:1:[]LimitRangeItem!%
Taint key:1:s* value:2:s effect:3:s* timeAdded:4:time?
NodeConfigSource configMap:2:ConfigMapNodeConfigSource?
NodeCondition type:1:s! status:2:s! lastHeartbeatTime:3:time lastTransitionTime:4:time reason:5:s message:6:s
NodeAddress type:1:s! address:2:s!
NodeDaemonEndpoints kubeletEndpoint:1:DaemonEndpoint
NodeSystemInfo machineID:1:s! systemUUID:2:s! bootID:3:s! kernelVersion:4:s! osImage:5:s!
 containerRuntimeVersion:6:s! kubeletVersion:7:s! kubeProxyVersion:8:s! operatingSystem:9:s! architecture:10:s!
ContainerImage names:1:[]s!% sizeBytes:2:i64
AttachedVolume name:1:s! devicePath:2:s!
NodeConfigStatus assigned:1:NodeConfigSource? active:2:NodeConfigSource? lastKnownGood:3:NodeConfigSource?
 error:4:s
NodeRuntimeHandler name:1:s! features:2:NodeRuntimeHandlerFeatures?
NodeFeatures supplementalGroupsPolicy:1:b?
NamespaceCondition type:1:s! status:2:s! lastTransitionTime:4:time reason:5:s message:6:s
ServicePort name:1:s protocol:2:s<TCP> appProtocol:6:s? port:3:i32* targetPort:4:ios nodePort:5:i32
SessionAffinityConfig clientIP:1:ClientIPConfig?
LoadBalancerStatus ingress:1:[]LoadBalancerIngress%
EndpointAddress% ip:1:s* hostname:3:s nodeName:4:s? targetRef:2:ObjectReference?
EndpointPort% name:1:s port:2:i32* protocol:3:s appProtocol:4:s?
ScopeSelector% matchExpressions:1:[]ScopedResourceSelectorRequirement%
LimitRangeItem type:1:s* max:2:{}qty min:3:{}qty default:4:{}qty defaultRequest:5:{}qty
 maxLimitRequestRatio:6:{}qty
ConfigMapNodeConfigSource namespace:1:s* name:2:s* uid:3:s resourceVersion:4:s kubeletConfigKey:5:s*
DaemonEndpoint Port:1:i32!
NodeRuntimeHandlerFeatures recursiveReadOnlyMounts:1:b? userNamespaces:2:b?
ClientIPConfig timeoutSeconds:1:i32?
LoadBalancerIngress ip:1:s hostname:2:s ipMode:3:s? ports:4:[]PortStatus%
ScopedResourceSelectorRequirement scopeName:1:s* operator:2:s* values:3:[]s%
PortStatus port:1:i32! protocol:2:s! error:3:s?
`;
