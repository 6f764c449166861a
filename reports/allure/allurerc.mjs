// The layers that a finding names, from the network upwards, as in fixtures/model/terms.py.
const layers = [
  "settings",
  "recording",
  "network",
  "base_url",
  "token",
  "quota",
  "relay",
  "protocol",
  "log",
  "dify_role",
  "dify_provider",
  "dify_model",
  "dify_app",
  "dify_knowledge",
];

export default {
  name: "Dify on Crazyrouter: conformance",
  // What says something about the machine or the runner, not about the pair that was judged.
  hideLabels: ["host", "thread", "framework", "language", "package"],
  plugins: {
    awesome: {
      options: {
        singleFile: true,
        reportLanguage: "en",
        groupBy: ["layer", "parentSuite", "suite"],
        defaultSortBy: "status,asc",
        sections: [],
      },
    },
  },
  // Allure puts what no rule matches under "Product errors" and "Test errors".
  categories: layers.map((layer) => ({
    name: `layer: ${layer}`,
    matchers: { statuses: ["failed", "broken"], labels: { layer: `^${layer}$` } },
    groupBy: [{ label: "guide_row" }],
  })),
};
