//! How the sources name providers, and how we do. Our keys are the names of provider types in lower case.

/// A provider, and where it stands in the sources.
pub struct Provider {
    pub key: &'static str,
    pub litellm: &'static [Litellm],
    /// Its ids in models.dev; what the first has, the others do not change.
    pub models_dev: &'static [&'static str],
}

/// A `litellm_provider`. Ids of models stand behind a prefix, or bare.
pub struct Litellm {
    /// The whole word, or its beginning where it ends in `*`.
    pub name: &'static str,
    pub prefix: &'static str,
    /// Some ids have no prefix.
    pub bare: bool,
}

const fn own(
    key: &'static str,
    litellm: &'static [Litellm],
    models_dev: &'static [&'static str],
) -> Provider {
    Provider { key, litellm, models_dev }
}

const fn prefixed(name: &'static str, prefix: &'static str) -> Litellm {
    Litellm { name, prefix, bare: false }
}

const fn bare(name: &'static str, prefix: &'static str) -> Litellm {
    Litellm { name, prefix, bare: true }
}

/// Every provider of the catalogue. DashScope, Moonshot, MiniMax and Z.ai sell abroad and at home at two prices: their
/// international sites come first, and what only the Chinese site has is added.
pub const PROVIDERS: &[Provider] = &[
    own("ai21", &[bare("ai21", "ai21/")], &[]),
    own("amazonnova", &[prefixed("amazon_nova", "amazon-nova/")], &["nova"]),
    own("anthropic", &[bare("anthropic", "anthropic/")], &["anthropic"]),
    own(
        "azureopenai",
        &[prefixed("azure", "azure/"), prefixed("azure_ai", "azure_ai/")],
        &["azure", "azure-cognitive-services"],
    ),
    own("baseten", &[prefixed("baseten", "baseten/")], &["baseten"]),
    own(
        "bedrock",
        &[
            bare("bedrock_converse", "bedrock/"),
            bare("bedrock", "bedrock/"),
            prefixed("bedrock_mantle", "bedrock_mantle/"),
        ],
        &["amazon-bedrock"],
    ),
    own("bytedance", &[bare("volcengine", "volcengine/")], &[]),
    own("cerebras", &[prefixed("cerebras", "cerebras/")], &["cerebras"]),
    own("cloudflareworkersai", &[prefixed("cloudflare", "cloudflare/")], &["cloudflare-workers-ai"]),
    own("cohere", &[bare("cohere_chat", "cohere/"), bare("cohere", "cohere/")], &["cohere"]),
    own("crusoe", &[prefixed("crusoe", "crusoe/")], &[]),
    own("databricks", &[prefixed("databricks", "databricks/")], &["databricks"]),
    own("deepinfra", &[prefixed("deepinfra", "deepinfra/")], &["deepinfra"]),
    own("deepseek", &[bare("deepseek", "deepseek/")], &["deepseek"]),
    own("fireworks", &[prefixed("fireworks_ai*", "fireworks_ai/")], &["fireworks-ai"]),
    own("friendli", &[prefixed("friendliai", "friendliai/")], &["friendli"]),
    own("gemini", &[bare("gemini", "gemini/")], &["google"]),
    own("githubmodels", &[], &["github-models"]),
    own("gmi", &[prefixed("gmi", "gmi/")], &["gmicloud"]),
    own("groq", &[prefixed("groq", "groq/")], &["groq"]),
    own("huggingface", &[], &["huggingface"]),
    own("hyperbolic", &[prefixed("hyperbolic", "hyperbolic/")], &[]),
    own("inception", &[prefixed("inception", "inception/")], &["inception"]),
    own("metallama", &[prefixed("meta_llama", "meta_llama/"), prefixed("meta", "meta/")], &["llama"]),
    own("minimax", &[prefixed("minimax", "minimax/")], &["minimax", "minimax-cn"]),
    own("mistral", &[prefixed("mistral", "mistral/")], &["mistral"]),
    own("moonshot", &[prefixed("moonshot", "moonshot/")], &["moonshotai", "moonshotai-cn"]),
    own("nebius", &[prefixed("nebius", "nebius/")], &["nebius"]),
    own("novita", &[prefixed("novita", "novita/")], &["novita-ai"]),
    own("nscale", &[prefixed("nscale", "nscale/")], &[]),
    own("nvidianim", &[prefixed("nvidia_nim", "nvidia_nim/")], &["nvidia"]),
    own("oci", &[prefixed("oci", "oci/")], &[]),
    own("ollama", &[prefixed("ollama", "ollama/")], &["ollama-cloud"]),
    own("openai", &[bare("openai", "openai/"), bare("text-completion-openai", "")], &["openai"]),
    own("openrouter", &[prefixed("openrouter", "openrouter/")], &["openrouter"]),
    own("ovhcloud", &[prefixed("ovhcloud", "ovhcloud/")], &["ovhcloud"]),
    own("perplexity", &[prefixed("perplexity", "perplexity/")], &["perplexity", "perplexity-agent"]),
    own("qwen", &[prefixed("dashscope", "dashscope/")], &["alibaba", "alibaba-cn"]),
    own("sambanova", &[prefixed("sambanova", "sambanova/")], &[]),
    own("scaleway", &[prefixed("scaleway", "scaleway/")], &["scaleway"]),
    own("siliconflow", &[], &["siliconflow"]),
    own("snowflake", &[prefixed("snowflake", "snowflake/")], &["snowflake-cortex"]),
    own("stepfun", &[], &["stepfun"]),
    own("tencent", &[prefixed("tencent", "tencent/")], &["tencent-tokenhub"]),
    own("together", &[prefixed("together_ai", "together_ai/")], &["togetherai"]),
    own("upstage", &[], &["upstage"]),
    own("vercel", &[prefixed("vercel_ai_gateway", "vercel_ai_gateway/")], &["vercel"]),
    own("vertexai", &[bare("vertex_ai*", "vertex_ai/")], &["google-vertex", "google-vertex-anthropic"]),
    own("voyage", &[prefixed("voyage", "voyage/")], &[]),
    own("wandb", &[prefixed("wandb", "wandb/")], &["wandb"]),
    own("watsonx", &[prefixed("watsonx", "watsonx/")], &[]),
    own("xai", &[prefixed("xai", "xai/")], &["xai"]),
    own("xiaomi", &[prefixed("xiaomi_mimo", "xiaomi_mimo/")], &["xiaomi"]),
    own("zhipu", &[prefixed("zai", "zai/"), prefixed("bigmodel", "bigmodel/")], &["zai", "zhipuai"]),
];

impl Litellm {
    /// Is this `litellm_provider` meant?
    fn means(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.name == name,
        }
    }

    /// The provider's own id of a model.
    fn id<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.prefix).or(self.bare.then_some(key)).filter(|id| !id.is_empty())
    }
}

/// Our provider, the rank of the entry among those for the same provider, and the id, of an entry of LiteLLM's.
pub fn of_litellm<'a>(name: &str, key: &'a str) -> Option<(&'static Provider, usize, &'a str)> {
    PROVIDERS.iter().find_map(|provider| {
        let rank = provider.litellm.iter().position(|litellm| litellm.means(name))?;
        Some((provider, rank, provider.litellm.get(rank)?.id(key)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_unique() {
        assert!(PROVIDERS.is_sorted_by(|one, next| one.key < next.key));
    }

    #[test]
    fn entries_of_litellm_find_their_provider() {
        for (name, key, provider, id) in [
            ("openai", "gpt-x", "openai", "gpt-x"),
            ("azure_ai", "azure_ai/claude-x", "azureopenai", "claude-x"),
            ("vertex_ai-llama_models", "vertex_ai/meta/llama-x", "vertexai", "meta/llama-x"),
            ("vertex_ai-language-models", "gemini-x", "vertexai", "gemini-x"),
            ("bedrock_converse", "us.anthropic.claude-x", "bedrock", "us.anthropic.claude-x"),
            ("cohere", "rerank-x", "cohere", "rerank-x"),
        ] {
            let found = of_litellm(name, key).map(|(provider, _, id)| (provider.key, id));
            assert_eq!(found, Some((provider, id)));
        }
        assert!(of_litellm("together_ai", "together-ai-up-to-4b").is_none());
        assert!(of_litellm("fal_ai", "fal_ai/x").is_none());
    }
}
