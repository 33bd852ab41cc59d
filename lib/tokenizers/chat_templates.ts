/**
 * The chat templates of LLaMA's instruct models: Jinja, as it stands in `chat_template` of their
 * `tokenizer_config.json`. Meta published them with the models, under the models' licenses; they are data that a
 * converted model needs word for word, since it was trained on what they print.
 */

import type { Llama3Version } from "../models/token_family.ts";

/**
 * The chat template of a version's instruct models, that which transformers 4.46.3 `convert_llama_weights_to_hf.py`
 * downloads for it (`templates_for_version`).
 */
export function llama3ChatTemplate(version: Llama3Version): string {
  return TEMPLATES[version];
}

/** meta-llama/Meta-Llama-3-8B-Instruct, revision 5f0b02c75b57c5855da9ae460ce51323ea669d8a. */
const LLAMA_3 = String
  .raw`{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>

'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>

' }}{% endif %}`;

/** Where the templates of 3.1 and 3.2 differ. */
interface Passages {
  /** How the date is set where the caller gives none. */
  readonly date: string;
  /** What a comment names besides the system message. */
  readonly more: string;
  /** When the environment is said to be ipython. */
  readonly isIpython: string;
  /** What is said of the tools that are built in. */
  readonly builtin: string;
  /** What a call of a tool becomes. */
  readonly call: string;
}

function template({ date, more, isIpython, builtin, call }: Passages): string {
  return String.raw`{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
${date}{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message${more} #}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if ${isIpython} %}
    {{- "Environment: ipython\n" }}
{%- endif %}
${builtin}{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions. To call a function, please respond with JSON for a function call." }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
    {{- "Do not use variables.\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}

{#- Custom tools are passed in a user message with some extra guidance #}
{%- if tools_in_user_message and not tools is none %}
    {#- Extract the first user message so we can plug it in here #}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- "Given the following functions, please respond with a JSON for a function call " }}
    {{- "with its proper arguments that best answers the given prompt.\n\n" }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
    {{- "Do not use variables.\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
${call}    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
`;
}

/**
 * meta-llama/Llama-3.1-8B-Instruct, revision 0e9e39f249a16976918f6564b8830bc894c89659.
 * Llama-3.3-70B-Instruct has the same.
 */
const LLAMA_3_1 = template({
  date: `    {%- set date_string = "26 Jul 2024" %}
`,
  more: " + builtin tools",
  isIpython: "builtin_tools is defined or tools is not none",
  builtin: String.raw`{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\n\n"}}
{%- endif %}
`,
  call: String.raw`        {%- if builtin_tools is defined and tool_call.name in builtin_tools %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
            {{- "<|python_tag|>" + tool_call.name + ".call(" }}
            {%- for arg_name, arg_val in tool_call.arguments | items %}
                {{- arg_name + '="' + arg_val + '"' }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- endif %}
                {%- endfor %}
            {{- ")" }}
        {%- else  %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
            {{- '{"name": "' + tool_call.name + '", ' }}
            {{- '"parameters": ' }}
            {{- tool_call.arguments | tojson }}
            {{- "}" }}
        {%- endif %}
        {%- if builtin_tools is defined %}
            {#- This means we're in ipython mode #}
            {{- "<|eom_id|>" }}
        {%- else %}
            {{- "<|eot_id|>" }}
        {%- endif %}
`,
});

/** meta-llama/Llama-3.2-1B-Instruct, revision e9f8effbab1cbdc515c11ee6e098e3d5a9f51e14. */
const LLAMA_3_2 = template({
  date: `    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
`,
  more: "",
  isIpython: "tools is not none",
  builtin: "",
  call: String.raw`        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
`,
});

const TEMPLATES: Readonly<Record<Llama3Version, string>> = {
  "3": LLAMA_3,
  "3.1": LLAMA_3_1,
  "3.2": LLAMA_3_2,
  "3.3": LLAMA_3_1,
};
