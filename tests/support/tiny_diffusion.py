"""A Stable Diffusion of 120,000 random weights, whole: tokenizer, text encoder, U-Net, autoencoder and scheduler."""

from pathlib import Path

SIZE = 32
"""Pixels a side of its pictures."""


def build(folder: Path, *, checked: bool = False) -> Path:
    """Save one.

    Args:
        folder: where to.
        checked: with a safety checker, which flags every picture.
    """
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        config = CLIPTextConfig(
            vocab_size=514, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=77, bos_token_id=512, eos_token_id=513, pad_token_id=513,
        )  # fmt: skip
        unet = UNet2DConditionModel(
            sample_size=16, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16, attention_head_dim=4, norm_num_groups=4,
        )  # fmt: skip
        autoencoder = AutoencoderKL(
            in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16), layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4, sample_size=SIZE,
        )  # fmt: skip
        scheduler = PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000,
            skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False,
        )  # fmt: skip
        checker, extractor = _checker() if checked else (None, None)
        pipeline = StableDiffusionPipeline(
            vae=autoencoder, text_encoder=CLIPTextModel(config), tokenizer=_tokenizer(), unet=unet, scheduler=scheduler,
            safety_checker=checker, feature_extractor=extractor, requires_safety_checker=checked,
        )  # fmt: skip
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _tokenizer():
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    symbols = list(bytes_to_unicode().values())
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _checker():
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        vision_config=small | {"image_size": 8, "patch_size": 4}, text_config=small | {"vocab_size": 514},
        projection_dim=8,
    )  # fmt: skip
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2.0)  # below any cosine
    size = {"height": 8, "width": 8}
    return checker, CLIPImageProcessor(size={"shortest_edge": 8}, crop_size=size)
