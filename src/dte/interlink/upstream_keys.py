"""Top-level keys of upstream's configuration files.

Sites keep the settings of all interLink programs in one file, so each of our daemons accepts every key that any
upstream release had, and warns about those that it does not use. Sources: interLink (pkg/interlink/config.go,
pkg/virtualkubelet/config.go) and its Slurm, Docker and HTCondor plugins.
"""

_SHARED = """
    CommandPrefix DataRootFolder ErrorsOnlyLogging ExportPodData Namespace Pprof TLS VKConfigPath
    VerboseLogging
"""

_API = """
    InterlinkAddress InterlinkPort InterlinkURL JobScriptBuildConfig JobScriptTemplate SidecarPort
    SidecarURL
"""

_VIRTUAL_KUBELET = """
    DisableCSR DisableProjectedVolumes HTTP JobScriptBuilderURL KubeletCSRSignerName KubeletCertFile
    KubeletHTTP KubeletKeyFile KubernetesApiAddr KubernetesApiCaCrt KubernetesApiPort Network NodeLabels
    NodeTaints PodCIDR PodIP Resources ServiceAccount SkipDownwardAPIResolution VKTokenFile
"""

_SLURM = """
    BashPath ContainerRuntime DefaultFlavor DefaultUID EnableProbes EnrootDefaultOptions EnrootPath
    EnrootPrefix Flavors ImagePrefix ResourceScriptPath SbatchPath ScancelPath SinfoPath
    SingularityDefaultOptions SingularityPath SingularityPrefix Socket SqueuePath Taints Tsocks
    TsocksLoginNode TsocksPath
"""

UPSTREAM_KEYS = frozenset((_SHARED + _API + _VIRTUAL_KUBELET + _SLURM).split())
