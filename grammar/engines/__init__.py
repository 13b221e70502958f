"""The engines that turn rules into token masks, behind the `Matcher` port."""
