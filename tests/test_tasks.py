"""Which task a config or a live model is for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml

from espnet_onnx.catalog import Catalog
from espnet_onnx.components import child, root
from espnet_onnx.errors import ModelError
from espnet_onnx.tasks import RULES, root_task

EVERY_TASK = [(v, t) for v in Catalog.versions() for t in Catalog.load(v).tasks()]
TRAINING = """\
asr:             {encoder: conformer, decoder: transformer, model_conf: {ctc_weight: 0.3}}
asr:             {encoder: beats, encoder_conf: {max_layer: 3}, decoder: linear_decoder}
asr:             {encoder: rnn, decoder: transducer, src_tokenizer_encode_conf: {alpha: 0.4}}
asr:             {frontend: s3prl, ctc_conf: {reduce: true}}
asr:             {model: maskctc, encoder: conformer, decoder: mlm}
asr_transducer:  {encoder_conf: {main_conf: {}, body_conf: [{block_type: conformer}]}}
asr_transducer:  {decoder: rnn, joint_network_conf: {joint_space_size: 256}}
st:              {encoder: conformer, decoder: transformer, extra_asr_decoder: transformer}
st:              {encoder: conformer, decoder: transducer, st_joint_net_conf: {}}
st:              {encoder: conformer, decoder: transformer, hier_encoder: conformer}
mt:              {model: discrete_asr, frontend: embed, encoder: e_branchformer}
mt:              {frontend: embed, encoder: branchformer, decoder: transformer}
mt:              {encoder: transformer, decoder: transformer, src_token_type: bpe}
slu:             {encoder: conformer, decoder: transformer, deliberationencoder: conformer}
slu:             {encoder: transformer, two_pass: true}
slu:             {encoder: whisper, model_conf: {superb_setup: true}}
s2t:             {preprocessor: s2t, encoder: e_branchformer, decoder: transformer}
s2t_ctc:         {preprocessor: s2t_ctc, encoder: e_branchformer_ctc, promptencoder: transformer}
lm:              {lm: transformer, lm_conf: {unit: 512}}
tts:             {tts: fastspeech2, pitch_extract: dio, energy_extract: energy}
gan_tts:         {tts: joint_text2wav, generator_first: true, optim2: adam}
gan_tts:         {tts: vits}
tts2:            {tts: fastspeech2, discrete_feats_extract: identity}
svs:             {svs: xiaoice}
gan_svs:         {svs: vits, generator_first: false}
gan_codec:       {codec: soundstream, generator_first: true}
gan_tok:         {frontend: default, asr_encoder: transformer, quantizer: differentiable_kmeans}
enh:             {encoder: stft, separator: tcn, decoder: stft}
enh_tse:         {encoder: conv, extractor: td_speakerbeam, decoder: conv}
enh_s2t:         {enh_encoder: conv, enh_separator: tcn, asr_encoder: conformer}
diar:            {encoder: transformer, decoder: linear, chunk_length: 200}
diar:            {encoder: transformer, attractor: rnn}
spk:             {encoder: ecapa_tdnn, pooling: stats, projector: xvector, preprocessor: spk}
lid:             {encoder: ecapa_tdnn, pooling: stats, projector: xvector, preprocessor: lid}
lid:             {encoder: ecapa_tdnn, pooling: stats, lang2utt: lang2utt}
cls:             {encoder: beats, model_conf: {classification_type: multi-label}}
cls:             {encoder: transformer, decoder: linear, token_type: word}
asvspoof:        {encoder: transformer, decoder: linear, losses: [{name: sigmoid_loss}]}
hubert:          {encoder: torchaudio_hubert, model: torchaudio}
hubert:          {encoder: hubert_pretrain, model_conf: {pred_masked_weight: 1.0}}
hubert:          {encoder: hubert_pretrain, num_classes: 500}
ssl:             {encoder: e_branchformer, util: [{name: mask}]}
ssl:             {encoder: transformer, loss: [{name: hubert}], collate_fn_conf: {pad: false}}
beats:           {encoder: beats, model: beats}
beats_tokenizer: {encoder: beats_tokenizer, model: beats_tokenizer}
beats_tokenizer: {encoder_conf: {}, beats_teacher_ckpt_path: teacher.pt}
uasr:            {segmenter: join, discriminator: conv, generator: conv}
s2st:            {encoder: conformer, synthesizer: discrete_unit}
aqa:             {universa: base}
ps2st:           {model: qwen2_audio}
rst:             {ssl_encoder: w2v_bert2}
rst_vocoder:     {ssl_encoder: w2v_bert2, vocoder_type: dac}
"""
SNIPPETS = [tuple(line.split(":", 1)) for line in TRAINING.splitlines()]


@pytest.mark.parametrize(("task", "text"), SNIPPETS)
def test_training_config(task: str, text: str) -> None:
    assert root_task(yaml.safe_load(text))[0] == task


def test_every_rule_decides_some_training_config() -> None:
    decided = {root_task(yaml.safe_load(text)) for _, text in SNIPPETS}
    assert {(rule.task, rule.name) for rule in RULES} == decided


@pytest.mark.parametrize(("version", "task"), EVERY_TASK)
def test_full_config_of_every_task(version: str, task: str) -> None:
    assert root_task(Catalog.load(version).fill(task, {}))[0] == task


def test_given_task_settles_it() -> None:
    assert root_task({"tts": "vits"}, task="mine") == ("mine", "task given")


def test_live_model_or_the_object_that_holds_it() -> None:
    model = type("ESPnetSTModel", (), {})()
    assert root_task({"encoder": "rnn"}, live=model) == ("st", "live ESPnetSTModel")
    assert root_task({"encoder": "rnn"}, live=SimpleNamespace(st_model=model))[0] == "st"
    finetuned = type("MyModel", (type(model),), {})()
    assert root_task({}, live=finetuned)[0] == "st"
    assert root_task({"encoder": "rnn"}, live=object())[0] == "asr"


def test_live_model_of_two_tasks_is_told_apart_by_its_config() -> None:
    loaded_by_tts_task = type("ESPnetTTSModel", (), {})()  # as Text2Speech loads VITS
    assert root_task({"tts": "vits", "optim2": "adam"}, live=loaded_by_tts_task)[0] == "gan_tts"
    assert root_task({"tts": "tacotron2"}, live=loaded_by_tts_task)[0] == "tts"
    s2t = type("ESPnetS2TModel", (), {})()
    assert root_task({"promptencoder": "transformer"}, live=s2t)[0] == "s2t_ctc"
    assert root_task({}, live=s2t)[0] == "s2t"


def test_nothing_to_go_by_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"no component .*keys: max_epoch.*give the task"):
        root_task({"max_epoch": 3})


def test_root_and_children() -> None:
    config = {
        "encoder": "conformer",
        "encoder_conf": {"num_blocks": 2},
        "preencoder": "none",
        "version": "202511",
    }
    component, rule = root(config)
    assert (component.name, component.role, component.type) == ("", "model", "asr")
    assert rule == "encoder, decoder"
    encoder = child(component, "encoder", given={"input_size": 80})
    assert encoder is not None
    assert (encoder.name, encoder.role, encoder.type) == ("encoder", "encoder", "conformer")
    assert (encoder.conf["num_blocks"], encoder.conf["linear_units"]) == (2, 2048)
    assert encoder.given == {"input_size": 80}
    assert child(component, "preencoder") is None
    assert child(component, "decoder") is None
    assert child(component, "joint_net") is None
    assert child(component, "no_such_choice") is None


def test_child_with_names_and_conf_of_its_own() -> None:
    parent, _ = root({"frontend": "fused", "encoder": "rnn"})
    part = child(parent, "frontend", name="frontend_0", type="default", conf={"n_fft": 400})
    assert part is not None
    assert (part.name, part.role, part.type) == ("frontend_0", "frontend", "default")
    assert (part.conf["n_fft"], part.conf["n_mels"]) == (400, 80)
    ctc = child(parent, "ctc")
    assert ctc is not None
    assert (ctc.type, ctc.conf["ctc_type"]) == ("asr", "builtin")
    asr, _ = root({"enh_separator": "tcn", "asr_encoder": "conformer"})
    encoder = child(asr, "asr_encoder", role="encoder")
    assert encoder is not None
    assert (encoder.name, encoder.role, encoder.type) == ("asr_encoder", "encoder", "conformer")


def test_child_of_an_unfilled_parent_and_of_an_unknown_task() -> None:
    from espnet_onnx.types import Component

    bare = Component("", "model", "asr", {"encoder_conf": {"hidden_size": 8}})
    encoder = child(bare, "encoder")
    assert encoder is not None
    assert (encoder.type, encoder.conf["hidden_size"]) == ("rnn", 8)
    mine = Component("", "model", "mine", {"encoder": "x", "encoder_conf": {"a": 1}})
    own = child(mine, "encoder")
    assert own is not None
    assert (own.type, own.conf) == ("x", {"a": 1})
